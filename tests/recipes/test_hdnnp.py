"""Recipe hdnnp: fits, is saved and loaded, repels where no data reach."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.recipes.hdnnp import hdnnp


def springs(atoms: Atoms, rest: np.ndarray) -> Structure:
    """A molecule of springs between all atoms: energy and forces in closed form."""
    r = atoms.positions[None] - atoms.positions[:, None]
    distance = np.linalg.norm(r, axis=-1) + np.eye(len(atoms))
    stretch = distance - rest
    forces = 2 * (stretch / distance)[..., None] * r
    return Structure(atoms, energy=0.5 * float((stretch**2).sum()), forces=forces.sum(axis=1))


def rattled(n: int, seed: int) -> Dataset:
    water, rng = molecule("H2O"), np.random.default_rng(seed)
    rest = np.linalg.norm(water.positions[None] - water.positions[:, None], axis=-1) + np.eye(3)
    structures = []
    for _ in range(n):
        atoms = water.copy()
        atoms.positions += rng.normal(0, 0.06, (3, 3))
        structures.append(springs(atoms, rest))
    return Dataset(structures)


@pytest.fixture(scope="module")
def fitted():
    solver = GradientDescent(epochs=25, batch_size=8, learning_rate=2e-2, energy_weight=1.0)
    potential, solver = hdnnp(cutoff=4.0, hidden=(10,), solver=solver)
    return fit(potential, rattled(100, 0), solver, test=rattled(50, 1))


def test_learns_springs(fitted):
    figures = fitted.parts["test"].errors.figures()
    labels = np.concatenate([s.forces.ravel() for s in rattled(50, 1)])
    assert figures["force_mae"] < 0.4 * np.abs(labels).mean()


def test_saved_and_loaded(fitted, tmp_path):
    path = save(fitted.potential, tmp_path / "water.safetensors")
    graph = graph_of(molecule("H2O"), fitted.potential.cutoff)
    expected, found = evaluate(fitted.potential, graph), evaluate(load(path), graph)
    torch.testing.assert_close(found.energy, expected.energy, rtol=0, atol=0)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=0)


def test_atoms_repel_where_no_data_reach(fitted):
    near = Atoms("OH", positions=[[0, 0, 0], [0.3, 0, 0]])
    forces = evaluate(fitted.potential, graph_of(near, fitted.potential.cutoff)).forces
    assert forces[1, 0] > 10.0


def test_repulsion_can_be_left_out():
    assert len(list(hdnnp()[0].terms())) == 1 + len(list(hdnnp(repulsion=None)[0].terms()))
