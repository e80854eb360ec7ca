"""Recipe wacsf: fits, is saved and loaded, and does not grow with the elements."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from cambrian.contracts.archive import load, save
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.engine import TOLERANCE
from cambrian.contracts.evaluate import evaluate
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.native.library import available
from cambrian.recipes.wacsf import wacsf

MOLECULE = molecule("H2O")


def springs(atoms: Atoms, rest: np.ndarray) -> Structure:
    """Springs between all atoms: energy and forces in closed form."""
    r = atoms.positions[None] - atoms.positions[:, None]
    distance = np.linalg.norm(r, axis=-1) + np.eye(len(atoms))
    stretch = distance - rest
    forces = 2 * (stretch / distance)[..., None] * r
    return Structure(atoms, energy=0.5 * float((stretch**2).sum()), forces=forces.sum(axis=1))


def rattled(n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    rest = np.linalg.norm(MOLECULE.positions[None] - MOLECULE.positions[:, None], axis=-1) + np.eye(len(MOLECULE))
    structures = []
    for _ in range(n):
        atoms = MOLECULE.copy()
        atoms.positions += rng.normal(0, 0.06, atoms.positions.shape)
        structures.append(springs(atoms, rest))
    return Dataset(structures)


@pytest.fixture(scope="module")
def fitted():
    solver = GradientDescent(epochs=60, batch_size=8, learning_rate=2e-2, energy_weight=5.0, clip=1.0)
    potential, solver = wacsf(cutoff=4.0, hidden=(10,), whitening=0.1, solver=solver)
    return fit(potential, rattled(100, 0), solver, test=rattled(50, 1))


def test_learns_springs(fitted):
    figures = fitted.parts["test"].errors.figures()
    labels = np.concatenate([s.forces.ravel() for s in rattled(50, 1)])
    assert figures["force_mae"] < 0.4 * np.abs(labels).mean()


def test_saved_and_loaded(fitted, tmp_path):
    path = save(fitted.potential, tmp_path / "potential.safetensors")
    graph = graph_of(MOLECULE, fitted.potential.cutoff)
    expected, found = evaluate(fitted.potential, graph), evaluate(load(path), graph)
    torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=0)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=0)


def test_as_many_functions_for_one_element_as_for_seven():
    counts = []
    for names in (["H2"], ["CH4", "NH3", "H2O", "SiH4", "PH3", "SH2"]):
        (term,) = (t for t in wacsf()[0].terms() if isinstance(t, DescriptorPotential))
        term.descriptor.setup(Dataset([Structure(molecule(name)) for name in names]))
        counts.append(term.descriptor.n_features)
    assert counts[0] == counts[1] > 0


@pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
@pytest.mark.parametrize("zetas", [(1, 2, 4), (1, 2, 4, 16)])
def test_kernel_and_truth_agree(zetas):
    potential, _ = wacsf(zetas=zetas)
    potential.setup(rattled(100, 0))
    (term,) = (t for t in potential.terms() if isinstance(t, DescriptorPotential))
    for structure in rattled(5, 1):
        graph = graph_of(structure.atoms, potential.cutoff)
        found, expected = term.native()(graph), evaluate(term, graph.within(term.cutoff))
        for name in ("energy", "forces"):
            quick, slow = getattr(found, name), getattr(expected, name)
            assert (quick - slow).abs().max() < TOLERANCE * slow.abs().max().clamp(min=1.0)
