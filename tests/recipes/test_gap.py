"""The recipes gap and flare: fits of small data by every part, the compiled route, and silicon where its data are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from small_data import argon

from cambrian.contracts import evaluate
from cambrian.contracts.engine import predictor
from cambrian.data import Dataset, Structure, read
from cambrian.fit import fit
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.graph import graph_of
from cambrian.networks.three_body_kernel import ThreeBodyKernel
from cambrian.networks.two_body_kernel import TwoBodyKernel
from cambrian.recipes.flare import flare
from cambrian.recipes.gap import gap

SILICON = Path(__file__).parents[3] / "shared" / "data" / "mlearn" / "Si_training.extxyz"


def structures(n: int, **how) -> Dataset:
    found = []
    for atoms in argon(n, size=1, spread=0.15, **how):
        labels = atoms.calc.results
        stress = np.array(labels["stress"])[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
        atoms.calc = None
        energy, forces = float(labels["energy"]), np.array(labels["forces"])
        found.append(Structure(atoms, energy=energy, forces=forces, stress=stress))
    return Dataset(found)


@pytest.mark.parametrize("make", [gap, flare])
def test_it_learns_and_its_fast_route_agrees(make):
    solver = GaussianProcess(energy_sigma=1e-4, force_sigma=1e-3, virial_sigma=1e-3)
    potential, _ = make(n_max=4, l_max=2, n_points=30)
    data, test = structures(12), structures(4, seed=5)
    result = fit(potential, data, solver, test=test)
    spread = np.std(np.concatenate([s.forces.ravel() for s in test]))
    assert result.parts["test"].errors.figures()["force_rmse"] < 0.15 * spread
    graph = graph_of(test[0].atoms, potential.cutoff)
    slow, fast = evaluate(potential, graph), predictor(potential)(graph)
    summands = sum(float(t.linear().coefficients.abs().sum()) for t in potential.terms() if t.linear() is not None)
    rounding = 1e-14 * summands * graph.n_atoms  # large coefficients of both signs add up to small energies
    torch.testing.assert_close(fast.forces, slow.forces, rtol=0, atol=rounding)
    torch.testing.assert_close(fast.energy, slow.energy, rtol=0, atol=rounding)


def test_a_small_molecule_of_three_elements_is_fitted_by_the_defaults():
    """Most combinations of elements within few neighbors do not occur in it."""
    rng, found = np.random.default_rng(0), []
    for _ in range(6):
        atoms = molecule("CH3OH")
        bonds = atoms.get_all_distances()
        atoms.rattle(0.05, rng=rng)
        stretched = atoms.get_all_distances() - bonds
        unit = atoms.get_all_distances(vector=True) / (atoms.get_all_distances() + np.eye(len(atoms)))[:, :, None]
        forces = 5.0 * (stretched[:, :, None] * unit).sum(axis=1)
        found.append(Structure(atoms, energy=1.25 * float((stretched**2).sum()), forces=forces))
    potential, solver = gap(n_max=2, l_max=1, n_points=5)
    result = fit(potential, Dataset(found), solver)
    assert result.parts["train"].errors.figures()["force_rmse"] < 0.05


def test_three_kernels_are_fitted_together():
    two, three = TwoBodyKernel(cutoff=5.0, n_points=6), ThreeBodyKernel(cutoff=4.5, n_points=8)
    potential, _ = gap(n_max=2, l_max=1, n_points=6, two_body=two, few_body=None, three_body=three)
    alone, _ = gap(n_max=2, l_max=1, n_points=6, two_body=two, few_body=None)
    solver, data = GaussianProcess(energy_sigma=1e-4, force_sigma=1e-3, virial_sigma=1e-3), structures(12)
    errors = [fit(p, data, solver).parts["train"].errors.figures()["force_rmse"] for p in (potential, alone)]
    assert errors[0] < errors[1]


def test_rows_of_three_bodies_are_derivatives():
    """Energy, forces and stress of each coefficient alone, from the potential itself."""
    data = structures(2)
    potential = ThreeBodyKernel(cutoff=4.5, n_points=4)
    potential.setup(data)
    graph, view = graph_of(data[0].atoms, 4.5), potential.linear()
    rows = view.rows(graph)
    for k in range(4):
        view.coefficients = torch.eye(4, dtype=torch.float64)[k]
        found = evaluate(potential, graph)
        torch.testing.assert_close(rows.energy[:, k], found.energy, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(rows.forces[..., k], found.forces, rtol=0, atol=1e-12)
        torch.testing.assert_close(rows.stress[..., k], found.stress, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.skipif(not SILICON.exists(), reason="the silicon data are not here")
def test_silicon_held_out():
    """A fifth of the training set held out; 300 points in place of the default."""
    train, held_out = read(SILICON).split(0.8, seed=1)
    potential, solver = gap(n_points=300)
    errors = fit(potential, train, solver, test=held_out).parts["test"].errors.figures()
    assert errors["energy_mae"] < 0.004
    assert errors["force_mae"] < 0.07
