"""Recipe mtp: learns two elements, is saved and loaded, and on silicon is better than what was published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule

from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure, read
from cambrian.fit.fit import fit
from cambrian.graph import graph_of
from cambrian.recipes.mtp import mtp

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def water(n: int, seed: int) -> Dataset:
    """Water of three harmonic springs."""
    rest, rng, found = molecule("H2O"), np.random.default_rng(seed), []
    lengths = rest.get_all_distances() + np.eye(3)
    for _ in range(n):
        atoms = rest.copy()
        atoms.positions += rng.normal(0, 0.06, (3, 3))
        r = atoms.positions[None] - atoms.positions[:, None]
        distance = np.linalg.norm(r, axis=-1) + np.eye(3)
        stretch = distance - lengths
        forces = (2 * (stretch / distance)[..., None] * r).sum(axis=1)
        found.append(Structure(atoms, energy=0.5 * float((stretch**2).sum()), forces=forces))
    return Dataset(found)


def test_two_elements_are_learned_and_saved(tmp_path):
    potential, solver = mtp(cutoff=4.0, level=12)
    test = water(20, 1)
    fitted = fit(potential, water(60, 0), solver, test=test)
    size = np.abs(np.concatenate([s.forces.ravel() for s in test])).mean()
    assert fitted.parts["test"].errors.figures()["force_mae"] < 0.02 * size
    again = load(save(fitted.potential, tmp_path / "potential.safetensors"))
    graph = graph_of(test[0].atoms, fitted.potential.cutoff)
    assert torch.equal(evaluate(again, graph).forces, evaluate(fitted.potential, graph).forces)


def test_repulsion_can_be_left_out():
    assert len(list(mtp()[0].terms())) == 1 + len(list(mtp(repulsion=None)[0].terms()))


def test_atoms_repel_closer_than_any_data():
    potential, solver = mtp(cutoff=4.0, level=10)
    fitted = fit(potential, water(40, 0), solver).potential
    pushed = []
    for factor in (0.5, 0.3, 0.15):
        atoms = molecule("H2O")
        atoms.positions *= factor
        pushed.append(float(evaluate(fitted, graph_of(atoms, fitted.cutoff)).energy[0]))
    assert pushed[0] < pushed[1] < pushed[2]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not here")
def test_silicon_is_better_than_the_published_potentials():
    """Test errors of the paper's best, an MTP: 2.21 meV/atom and 0.06 eV/Å; Zuo et al. (2020), as others quote it."""
    potential, solver = mtp()
    train, test = (read(DATA / "mlearn" / f"Si_{part}.extxyz") for part in ("training", "test"))
    figures = fit(potential, train, solver, test=test).parts["test"].errors.figures()
    assert figures["energy_mae"] < 2.21e-3
    assert figures["force_mae"] < 0.06
