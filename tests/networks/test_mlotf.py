"""MLOTF: kernel ridge written out in numpy, turning and mirroring, and that nothing takes it for a potential."""

import numpy as np
import pytest
import torch
from ase import Atoms
from small_data import argon

from cambrian.calculator import Calculator, ForceCalculator
from cambrian.contracts.archive import load, load_model, save
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.force_kernel_ridge import ForceKernelRidge
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import graph_of
from cambrian.networks.mlotf import MLOTF
from cambrian.recipes.mlotf import mlotf

CUTOFF, DECAYS, POWERS, SIGMA, STABILIZER, RIDGE = 5.0, (0.5, 0.8), (2.0, 5.0), 0.7, 0.03, 1e-3


def clusters(n: int, *, seed: int, elements: str = "ArNe") -> list[Structure]:
    """Random clusters with forces that an odd sum of neighbors gives."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = Atoms(elements, rng.uniform(0, 3.0, (len(elements) // 2, 3)))
        r = atoms.positions[None] - atoms.positions[:, None]
        d = np.linalg.norm(r, axis=-1) + np.eye(len(atoms))
        mass = atoms.numbers / 18
        found.append(Structure(atoms, forces=((np.exp(-d) - 0.1)[..., None] * r / d[..., None] * mass[:, None]).sum(1)))
    return found


def by_hand(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """X and V̂ of every atom, by loops."""
    elements = sorted(set(clusters(1, seed=0, elements="ArNeArNeNe")[0].atoms.numbers))
    vectors = np.zeros((len(atoms), len(elements), len(DECAYS), len(POWERS), 3))
    for i in range(len(atoms)):
        for j in range(len(atoms)):
            r = atoms.positions[j] - atoms.positions[i]
            d = np.linalg.norm(r)
            if i == j or d >= CUTOFF:
                continue
            for k, c in enumerate(DECAYS):
                for m, p in enumerate(POWERS):
                    weight = np.exp(-((d / (c * CUTOFF)) ** p)) * 0.5 * (1 + np.cos(np.pi * d / CUTOFF))
                    vectors[i, elements.index(atoms.numbers[j]), k, m] += weight * r / d
    vectors = vectors.reshape(len(atoms), -1, 3)
    directions = vectors / np.sqrt((vectors**2).sum(-1, keepdims=True) + 1e-4)
    return np.einsum("akx,alx->akl", vectors, directions).reshape(len(atoms), -1), directions


def test_with_every_environment_a_point_it_is_kernel_ridge():
    train, new = clusters(6, seed=1, elements="ArNeArNeNe"), clusters(3, seed=2, elements="ArNeArNeNe")
    model = MLOTF(cutoff=CUTOFF, decays=DECAYS, powers=POWERS, length=SIGMA, stabilizer=STABILIZER)
    fit(model, Dataset(train), ForceKernelRidge(regularizations=(RIDGE,), lengths=()))
    numbers = np.concatenate([s.atoms.numbers for s in train])
    X, V = (np.concatenate(part) for part in zip(*(by_hand(s.atoms) for s in train), strict=True))
    Y = np.einsum("akx,ax->ak", V, np.concatenate([s.forces for s in train]))
    for s in new:
        x, v = by_hand(s.atoms)
        expected = np.zeros((len(s.atoms), 3))
        for z in set(numbers):
            ours, theirs = numbers == z, s.atoms.numbers == z
            spread = X[ours].std(axis=0)
            spread = np.maximum(spread, 1e-6 * spread.max()) * np.sqrt(X.shape[1])
            a, b = X[ours] / spread, x[theirs] / spread

            def kernel(p, q):
                return np.exp(-((p[:, None] - q[None]) ** 2).sum(-1) / (2 * SIGMA**2))

            along = kernel(b, a) @ np.linalg.solve(kernel(a, a) + RIDGE * np.eye(ours.sum()), Y[ours])
            for i, f, d in zip(np.nonzero(theirs)[0], along, v[theirs], strict=True):
                expected[i] = np.linalg.solve(d.T @ d + STABILIZER * np.eye(3), d.T @ f)
        found = model.predict(graph_of(s.atoms, CUTOFF)).forces.numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


@pytest.fixture(scope="module")
def fitted():
    model, solver = mlotf(cutoff=6.0, n_points=60)
    train = Dataset(Structure(a, forces=a.get_forces()) for a in argon(12))
    return fit(model, train, solver)


def test_forces_turn_and_mirror_with_the_structure_and_do_not_depend_on_order(fitted):
    model, atoms = fitted.potential, argon(1, seed=5)[0]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    before = model.predict(graph_of(atoms, 6.0)).forces.numpy()
    for matrix in (turn, -turn):
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ matrix.T)
        turned.positions = atoms.positions @ matrix.T
        after = model.predict(graph_of(turned, 6.0)).forces.numpy()
        np.testing.assert_allclose(after, before @ matrix.T, rtol=0, atol=1e-10)
    order = np.random.default_rng(1).permutation(len(atoms))
    after = model.predict(graph_of(atoms[order], 6.0)).forces.numpy()
    np.testing.assert_allclose(after, before[order], rtol=0, atol=1e-10)
    assert np.abs(before).max() > 0.001


def test_learns_forces_and_has_no_force_on_a_lonely_or_symmetric_atom(fitted):
    figures = fitted.metrics()["train"]
    typical = np.sqrt(np.mean([a.get_forces() ** 2 for a in argon(12)]))
    assert figures["force_rmse"] < 0.3 * typical
    assert figures["energy_rmse"] is None
    assert figures["stress_rmse"] is None
    for atoms in (Atoms("Ar"), Atoms("Ar", cell=[4.0] * 3, pbc=True)):
        assert float(fitted.potential.predict(graph_of(atoms, 6.0)).forces.abs().max()) < 1e-12


def test_nothing_takes_it_for_a_potential(fitted, tmp_path):
    path = save(fitted.potential, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="energy is not conserved"):
        load(path)
    with pytest.raises(UserError, match="ForceCalculator"):
        Calculator(fitted.potential)
    again, atoms = load_model(path), argon(1, seed=3)[0]
    assert torch.equal(
        again.predict(graph_of(atoms, 6.0)).forces, fitted.potential.predict(graph_of(atoms, 6.0)).forces
    )
    atoms.calc = ForceCalculator(again)
    assert np.isfinite(atoms.get_forces()).all()
    assert np.isnan(atoms.get_potential_energy())


def test_refuses_other_solvers_and_data_without_forces():
    data = Dataset(Structure(a, energy=a.get_potential_energy()) for a in argon(3))
    with pytest.raises(UserError, match="ForceKernelRidge"):
        fit(MLOTF.example(), data, LeastSquares())
    with pytest.raises(UserError, match="no structure has any"):
        fit(MLOTF.example(), data, ForceKernelRidge())
