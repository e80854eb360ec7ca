"""Recipe deepmd: learns, is saved and loaded, describes itself, takes published sizes."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from cambrian.configuration import Recipe, Setting
from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.networks.deep_potential import DeepPotential
from cambrian.recipes.deepmd import deepmd


def springs(n: int, seed: int) -> Dataset:
    """Rattled water with a spring between every two atoms: energy and forces in closed form."""
    rng, found, start = np.random.default_rng(seed), [], molecule("H2O").positions
    rest = np.linalg.norm(start[None] - start[:, None], axis=-1) + np.eye(3)
    for _ in range(n):
        positions = start + rng.normal(0, 0.06, (3, 3))
        r = positions[None] - positions[:, None]
        distance = np.linalg.norm(r, axis=-1) + np.eye(3)
        forces = 2 * ((distance - rest) / distance)[..., None] * r
        atoms = Atoms("OHH", positions=positions)
        found.append(Structure(atoms, energy=0.5 * float(((distance - rest) ** 2).sum()), forces=forces.sum(axis=1)))
    return Dataset(found)


@pytest.fixture(scope="module")
def fitted():
    solver = GradientDescent(epochs=20, batch_size=8, learning_rate=5e-3, energy_weight=1.0)
    potential, solver = deepmd(cutoff=4.0, embedding=(4, 8), axis=3, fitting=(10, 10), solver=solver)
    return fit(potential, springs(100, 0), solver, test=springs(50, 1))


def test_learns_springs(fitted):
    figures = fitted.parts["test"].errors.figures()
    labels = np.concatenate([s.forces.ravel() for s in springs(50, 1)])
    assert figures["force_mae"] < 0.4 * np.abs(labels).mean()


def test_inputs_of_length_one_at_the_start():
    """Inputs of the fitting network have mean zero, and mean square length one but for entries that hardly vary."""
    train = springs(20, 2)
    potential = DeepPotential(cutoff=4.0, embedding=(4, 8), axis=3, fitting=(10, 10))
    potential.setup(train)
    graphs = list(train.graphs(4.0))
    features = torch.cat([potential.features(g) for g in graphs]).detach()
    numbers = torch.cat([g.numbers for g in graphs])
    for s, z in enumerate(potential.elements):
        inputs = (features[numbers == z] - potential.center[s]) * potential.scale[s]
        torch.testing.assert_close(inputs.mean(dim=0), torch.zeros(24, dtype=torch.float64), rtol=0, atol=1e-12)
        assert 0.5 < float(inputs.square().sum(dim=1).mean()) <= 1 + 1e-12


def test_saved_and_loaded(fitted, tmp_path):
    path = save(fitted.potential, tmp_path / "water.safetensors")
    graph = graph_of(molecule("H2O"), fitted.potential.cutoff)
    expected, found = evaluate(fitted.potential, graph), evaluate(load(path), graph)
    torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=0)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=0)


def test_published_sizes_from_the_command_line():
    words = ["embedding=[25, 50, 100]", "axis=16", "fitting=[240, 240, 240]", "sel={O: 46, H: 92}", "repulsion=null"]
    settings = [Setting.parse(w) for w in words]
    potential, _ = Recipe.of("deepmd", settings).build()
    potential.setup(springs(2, 0))
    (network,) = (term for term in potential.terms() if isinstance(term, DeepPotential))
    assert network.places.tolist() == [92, 46]
    embedding = 25 + 25 + 25 * 50 + 50 + 50 * 100 + 100
    fitting = 1600 * 240 + 240 + 2 * (240 * 240 + 2 * 240) + 240 + 1
    assert sum(p.numel() for p in network.parameters()) == 2 * (embedding + fitting)
