"""Recipes coulomb_matrix and fchl: energies of molecules of many compositions, and forces where they have them."""

import numpy as np
from ase import Atoms
from ase.build import molecule

from cambrian.contracts import evaluate, load, save
from cambrian.data import Dataset, Structure
from cambrian.descriptors.coulomb_matrix import Eigenvalues
from cambrian.fit import fit
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.graph import graph_of
from cambrian.math.kernels import GaussianKernel
from cambrian.recipes.coulomb_matrix import coulomb_matrix
from cambrian.recipes.fchl import fchl

NAMES = ("CH4", "C2H6", "C2H4", "C2H2", "CH3OH", "CH3CH2OH", "H2O", "H2CO", "CO2", "CO")


def bonded(atoms: Atoms) -> Structure:
    """An energy that depends on all distances, 0.1 Σ Z Z' exp(-r), beside one of each element."""
    r = atoms.get_all_distances() + np.eye(len(atoms))
    pair = 0.1 * (atoms.numbers[:, None] * atoms.numbers) * np.exp(-r) * (1 - np.eye(len(atoms)))
    away = (atoms.positions[:, None] - atoms.positions) / r[..., None]
    energy = 0.5 * float(pair.sum()) - 10.0 * atoms.numbers.sum()
    return Structure(atoms, energy=energy, forces=(pair[..., None] * away).sum(axis=1))


def molecules(n: int, seed: int) -> Dataset:
    rng, found = np.random.default_rng(seed), []
    for k in range(n):
        atoms = molecule(NAMES[k % len(NAMES)])
        atoms.positions += rng.normal(0, 0.03, atoms.positions.shape)
        found.append(bonded(atoms))
    return Dataset(found)


def test_energies_of_a_set_of_molecules(tmp_path):
    """More data, smaller errors; and far better than the mean of each composition's nearest guess, E0 alone."""
    test, errors = molecules(40, 9), []
    for n in (30, 240):
        potential, solver = coulomb_matrix()
        result = fit(potential, molecules(n, 1), solver, test=test)
        errors.append(result.parts["test"].errors.figures()["energy_mae"])
    assert errors[1] < 0.6 * errors[0]
    baseline = [float(evaluate(potential.parts[0], graph_of(s.atoms, 0.0)).energy[0]) - s.energy for s in test]
    assert errors[1] < 0.1 * np.mean(np.abs(baseline) / [len(s) for s in test])
    again = load(save(potential, tmp_path / "energies.safetensors"))
    ethanol = graph_of(molecule("CH3CH2OH"), 0.0)
    assert float(evaluate(again, ethanol).energy[0]) == float(evaluate(potential, ethanol).energy[0])
    assert evaluate(again, ethanol).forces is None


def test_forces_with_eigenvalues():
    potential, _ = coulomb_matrix(arrangement=Eigenvalues(), kernel=GaussianKernel(), length=30.0)
    fit(potential, molecules(20, 1), KernelRidge(regularization=1e-6))
    assert evaluate(potential, graph_of(molecule("CH4"), 0.0)).forces.abs().max() > 1e-3


def test_fchl_learns_forces_of_molecules_of_many_compositions():
    test = molecules(10, 9)
    labels = np.concatenate([s.forces.ravel() for s in test])
    potential, _ = fchl(cutoff=5.0, length=10.0)
    result = fit(potential, molecules(30, 1), KernelRidge(regularization=1e-7), test=test)
    figures = result.parts["test"].errors.figures()
    assert figures["force_rmse"] < 0.2 * np.sqrt(np.mean(labels**2))
    assert figures["energy_rmse"] < 0.01
