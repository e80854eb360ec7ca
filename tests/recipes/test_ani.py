"""Recipe ani: the whole model beside TorchANI with the same weights; fits, is saved and loaded."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT

from cambrian.contracts.archive import load, save
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.descriptors.aev import AEV
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.math.layers import ACTIVATIONS
from cambrian.recipes.ani import ani
from cambrian.regressors.element_networks import ElementNetworks

PEER = json.loads((Path(__file__).parents[1] / "descriptors" / "data" / "torchani.json").read_text())


def structure(name: str) -> Atoms:
    found = PEER["structures"][name]
    return Atoms(found["symbols"], positions=found["positions"], cell=found["cell"], pbc=found["pbc"])


def waves(shape: tuple[int, ...], k: int) -> np.ndarray:
    """The weights that the fixture was made with."""
    n = int(np.prod(shape))
    return np.sin(1.3 * np.arange(n) + 0.7 * k).reshape(shape) / np.sqrt(shape[-1])


@pytest.fixture(scope="module")
def like_torchani() -> DescriptorPotential:
    """ANI-1x with the weights of the fixture."""
    elements = list(PEER["whole model"]["shapes"])  # H, C, N, O
    potential = DescriptorPotential(AEV.like_1x(elements), ElementNetworks.like_1x(whitening=None))
    potential.setup(Dataset([Structure(structure("amide"))]))
    for s, element in enumerate(elements):
        sizes = [384, *PEER["whole model"]["shapes"][element], 1]
        for k in range(4):
            weight, bias = potential.regressor.layer(k, s)
            with torch.no_grad():
                weight.copy_(torch.tensor(waves((sizes[k + 1], sizes[k]), 10 * s + k).T))
                bias.copy_(torch.tensor(0.1 * waves((sizes[k + 1],), 100 + 10 * s + k)))
    return potential


@pytest.mark.parametrize("name", ["amide", "crystal"])
def test_energy_and_forces_of_torchani(like_torchani, name):
    graph, expected = graph_of(structure(name), 5.2), PEER["whole model"][name]
    found = evaluate(like_torchani, graph)
    assert float(found.energy) == pytest.approx(expected["energy"], rel=0, abs=1e-12)
    np.testing.assert_allclose(found.forces, expected["forces"], rtol=1e-6, atol=1e-12)
    like_torchani.regressor.activation = partial(torch.nn.functional.celu, alpha=0.1)  # theirs: 1/α in single precision
    try:
        found = evaluate(like_torchani, graph)
    finally:
        like_torchani.regressor.activation = ACTIVATIONS["celu"]
    np.testing.assert_allclose(found.forces, expected["forces"], rtol=0, atol=1e-12)


def test_shapes_of_the_published_potentials():
    atoms = molecule("CH3SH")
    train = Dataset([Structure(atoms)])
    for kind, shape in (("1x", (160, 128, 96)), ("2x", (256, 192, 160))):
        term = next(t for t in ani(descriptor=kind, hidden=kind)[0].terms() if isinstance(t, DescriptorPotential))
        term.setup(train)
        n_features = term.descriptor.n_features
        assert n_features == {"1x": 3 * 16 + 6 * 32, "2x": 3 * 16 + 6 * 32}[kind]
        found = [tuple(term.regressor.layer(k, 0)[0].shape) for k in range(4)]
        assert found == list(zip((n_features, *shape), (*shape, 1), strict=True))


def copper(n: int, seed: int) -> Dataset:
    """Clusters of copper and oxygen by effective medium theory."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = Atoms(
            "Cu2O", positions=np.array([[0, 0, 0], [1.8, 0, 0], [0.8, 1.6, 0.2]]) + rng.normal(0, 0.06, (3, 3))
        )
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        found.append(Structure(atoms, energy=energy, forces=forces))
    return Dataset(found)


@pytest.fixture(scope="module")
def fitted():
    solver = GradientDescent(epochs=30, batch_size=8, learning_rate=1e-2, energy_weight=1.0)
    descriptor = AEV(cutoff=4.0, n_radial=8, eta=8.0, n_shells=2, n_angles=3, zeta=8.0)
    potential, solver = ani(descriptor=descriptor, hidden=(10, 8), solver=solver)
    return fit(potential, copper(80, 0), solver, test=copper(30, 1))


def test_learns_a_cluster(fitted):
    figures = fitted.parts["test"].errors.figures()
    labels = np.concatenate([s.forces.ravel() for s in copper(30, 1)])
    assert figures["force_mae"] < 0.3 * np.abs(labels).mean()


def test_saved_and_loaded(fitted, tmp_path):
    path = save(fitted.potential, tmp_path / "ani.safetensors")
    graph = graph_of(copper(1, 5)[0].atoms, fitted.potential.cutoff)
    expected, found = evaluate(fitted.potential, graph), evaluate(load(path), graph)
    torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=0)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=0)


def test_every_element_has_as_many_layers():
    with pytest.raises(UserError, match="every element has 2 hidden layers"):
        ElementNetworks(hidden=(6, 5), shapes={"H": [4]})
