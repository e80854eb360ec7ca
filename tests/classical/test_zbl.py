"""ZBL against stock LAMMPS, its reach from radii and data, and its silence on ordinary structures."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from lammps_runs import single_point
from pair_structures import assert_equals_lammps, assert_forces_are_slopes, cluster, skewed

from cambrian.classical.zbl import ZBL
from cambrian.contracts import evaluate, load, save
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.units import COULOMB


@pytest.mark.parametrize(
    "atoms", [skewed("Si4C4", length=4.4), skewed("Si4C4", length=4.4, sign=-1), cluster("Si3C2", spacing=2.0)]
)
@pytest.mark.parametrize(("inner", "outer"), [(2.0, 4.5), (0.5, 3.0), (4.0, 4.8)])
def test_equals_lammps(atoms, inner, outer):
    lines = [f"pair_style zbl {inner} {outer}", "pair_coeff 1 1 6 6", "pair_coeff 2 2 14 14", "pair_coeff 1 2 6 14"]
    run = single_point(atoms, lines)
    assert_equals_lammps(ZBL(inner=inner, outer=outer), atoms, run, scale=COULOMB / run.coulomb)


def test_reach_of_its_own_equals_a_lammps_overlay():
    atoms = cluster("Si3C2", spacing=1.0)
    potential = ZBL()
    potential.setup(Dataset([Structure(cluster("Si3C2", spacing=1.4))]))
    parts, types = potential.lammps().parts, {"C": 1, "Si": 2}
    lines = [f"pair_style hybrid/overlay {' '.join(part.style for part in parts)}"]
    for k, part in enumerate(parts):
        for (first, second), words in part.coefficients.items():
            lines.append(f"pair_coeff {types[first]} {types[second]} zbl {k + 1} {words}")
    assert len(lines) == 4
    run = single_point(atoms, lines)
    assert_equals_lammps(potential, atoms, run, scale=COULOMB / run.coulomb)


def test_value_at_short_distance_is_the_published_function():
    r, Z = 0.3, 14
    x = r / (0.46850 / (2 * Z**0.23))
    screening = sum(
        c * np.exp(-d * x)
        for c, d in zip((0.18175, 0.50986, 0.28022, 0.02817), (3.19980, 0.94229, 0.40290, 0.20162), strict=True)
    )
    pair = Atoms("Si2", positions=[[0, 0, 0], [0, 0, r]])
    far = ZBL(inner=20.0, outer=40.0)  # the switch adds less than 1e-6 eV here
    energy = evaluate(far, graph_of(pair, far.cutoff)).energy.item()
    assert energy == pytest.approx(COULOMB * Z * Z / r * screening, rel=1e-8)


@pytest.mark.parametrize(
    "atoms",
    [bulk("Si"), bulk("Li"), bulk("Ta"), bulk("W"), bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)]
    + [
        molecule(name) for name in ("H2", "CH4", "H2O", "CO", "C2H2", "N2", "CH3CH2OH", "HCN", "CO2", "O2", "HF", "SO2")
    ],
)
def test_says_nothing_of_ordinary_structures(atoms):
    p = evaluate(ZBL(), graph_of(atoms, ZBL().cutoff))
    assert p.energy.item() == 0
    assert (p.forces == 0).all()


def test_never_acts_on_the_training_data():
    squeezed = Atoms("CH", positions=[[0, 0, 0], [0, 0, 0.6]])
    potential = ZBL()
    potential.setup(Dataset([Structure(squeezed), Structure(molecule("CH4"))]))
    assert evaluate(potential, graph_of(squeezed, potential.cutoff)).energy.item() == 0
    squeezed.positions[1, 2] = 0.5
    assert evaluate(potential, graph_of(squeezed, potential.cutoff)).energy.item() > 1


def test_repels_ever_more_and_ends_smoothly():
    potential = ZBL()
    rows = []
    for r in np.linspace(0.05, 1.7, 200):
        p = evaluate(potential, graph_of(Atoms("Si2", positions=[[0, 0, 0], [0, 0, r]]), potential.cutoff))
        rows.append((p.energy.item(), p.forces[1, 2].item()))
    energies, forces = np.array(rows).T
    assert (np.diff(energies) <= 0).all()
    assert (np.diff(forces) <= 0).all()
    end = 0.75 * 2 * 1.11
    for side in (-1e-6, 1e-6):
        p = evaluate(potential, graph_of(Atoms("Si2", positions=[[0, 0, 0], [0, 0, end + side]]), potential.cutoff))
        assert abs(p.energy.item()) < 1e-10
        assert p.forces.abs().max() < 1e-8


def test_forces_are_slopes():
    assert_forces_are_slopes(ZBL(inner=1.0, outer=3.5), skewed("Si4C4", length=4.4))
    assert_forces_are_slopes(ZBL(), cluster("Si3C2", spacing=1.2))


def test_parameters_can_be_fitted():
    potential = ZBL(inner=1.0, outer=3.5)
    p = evaluate(potential, graph_of(skewed("Si4C4", length=4.4), 3.5), training=True)
    slopes = torch.autograd.grad(p.energy.sum() + p.forces.square().sum(), list(potential.parameters()))
    assert all(torch.isfinite(s).all() and (s != 0).any() for s in slopes)


def test_alone_or_without_neighbors():
    for atoms in (Atoms("Si"), Atoms("Si2", positions=[[0, 0, 0], [0, 0, 30.0]])):
        p = evaluate(ZBL(), graph_of(atoms, 5.0))
        assert p.energy.item() == 0
        assert (p.forces == 0).all()


def test_archive_keeps_the_reach(tmp_path):
    potential = ZBL()
    potential.setup(Dataset([Structure(cluster("Si3C2", spacing=1.2))]))
    again = load(save(potential, tmp_path / "zbl.safetensors"))
    assert again.cutoff == potential.cutoff
    graph = graph_of(cluster("Si3C2", spacing=1.0), potential.cutoff)
    assert evaluate(again, graph).energy.item() == evaluate(potential, graph).energy.item() > 0


@pytest.mark.parametrize("arguments", [{"inner": 1.0}, {"outer": 1.0}, {"inner": 2.0, "outer": 1.0}])
def test_refuses_half_a_switch(arguments):
    with pytest.raises(UserError, match="inner"):
        ZBL(**arguments)
