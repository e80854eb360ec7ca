"""Recipes snap_nn, neuralil and first_generation: they learn, are saved and loaded, and refuse what they cannot do."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.recipes.first_generation import first_generation
from cambrian.recipes.neuralil import neuralil
from cambrian.recipes.snap_nn import snap_nn

NETWORKS = {
    "snap_nn": lambda solver: snap_nn(cutoff=4.0, two_j_max=4, hidden=(10,), solver=solver),
    "neuralil": lambda solver: neuralil(cutoff=4.0, n_max=3, hidden=(16, 8, 8), solver=solver),
}


def harmonic(n: int, seed: int) -> Dataset:
    """Water of three harmonic springs: what test_hdnnp.py asks hdnnp to learn."""
    water, rng, found = molecule("H2O"), np.random.default_rng(seed), []
    rest = water.get_all_distances() + np.eye(3)
    for _ in range(n):
        atoms = water.copy()
        atoms.positions += rng.normal(0, 0.06, (3, 3))
        r = atoms.positions[None] - atoms.positions[:, None]
        distance = np.linalg.norm(r, axis=-1) + np.eye(3)
        stretch = distance - rest
        forces = (2 * (stretch / distance)[..., None] * r).sum(axis=1)
        found.append(Structure(atoms, energy=0.5 * float((stretch**2).sum()), forces=forces))
    return Dataset(found)


@pytest.mark.parametrize("recipe", NETWORKS)
def test_networks_learn_and_are_saved(recipe, tmp_path):
    solver = GradientDescent(epochs=25, batch_size=8, learning_rate=2e-2, energy_weight=1.0)
    potential, solver = NETWORKS[recipe](solver)
    test = harmonic(50, 1)
    fitted = fit(potential, harmonic(100, 0), solver, test=test)
    size = np.abs(np.concatenate([s.forces.ravel() for s in test])).mean()
    assert fitted.parts["test"].errors.figures()["force_mae"] < 0.4 * size
    again = load(save(fitted.potential, tmp_path / "potential.safetensors"))
    graph = graph_of(test[0].atoms, fitted.potential.cutoff)
    assert torch.equal(evaluate(again, graph).forces, evaluate(fitted.potential, graph).forces)


@pytest.mark.parametrize("recipe", [snap_nn, neuralil])
def test_repulsion_can_be_left_out(recipe):
    assert len(list(recipe()[0].terms())) == 1 + len(list(recipe(repulsion=None)[0].terms()))


def springs(n: int, seed: int) -> Dataset:
    """Water of three springs, each harmonic in e^(-r/1.3): polynomials of degree 2 hold it exactly."""
    rng, found = np.random.default_rng(seed), []
    rest = np.exp(-molecule("H2O").get_all_distances() / 1.3)
    for _ in range(n):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(0, 0.1, (3, 3))
        atoms = atoms[rng.permutation(3)]
        order = np.argsort(-atoms.numbers, kind="stable")
        r = atoms.positions[order][None] - atoms.positions[order][:, None]
        distance = np.linalg.norm(r, axis=-1) + np.eye(3)
        stretch = (np.exp(-distance / 1.3) - rest) * (1 - np.eye(3))
        slope = 2 * stretch * np.exp(-distance / 1.3) / -1.3
        forces = np.zeros((3, 3))
        forces[order] = ((slope / distance)[..., None] * r).sum(axis=1)
        found.append(Structure(atoms, energy=0.5 * float((stretch**2).sum()), forces=forces))
    return Dataset(found)


def test_first_generation_is_exact_where_the_surface_is_a_polynomial():
    potential, solver = first_generation(degree=2)
    figures = fit(potential, springs(20, 0), solver, test=springs(10, 1)).parts["test"].errors.figures()
    assert figures["energy_mae"] < 1e-9
    assert figures["force_mae"] < 1e-8


def test_first_generation_refuses_all_but_its_molecule():
    potential, solver = first_generation(degree=2)
    fitted = fit(potential, springs(20, 0), solver).potential
    two = molecule("H2O") + Atoms("OH2", molecule("H2O").positions + [0, 0, 3.0])
    with pytest.raises(UserError, match="knows H2O alone"):
        evaluate(fitted, graph_of(two, fitted.cutoff))
    mixed = Dataset([*springs(3, 0), Structure(two, energy=0.0)])
    with pytest.raises(UserError, match=r"2 compositions \(H2O, H4O2\)"):
        fit(potential, mixed, solver)
