"""Morse against stock LAMMPS; both against their force constants."""

import pytest
from ase import Atoms
from lammps_runs import single_point
from pair_structures import assert_equals_lammps, assert_forces_are_slopes, cluster, skewed

from cambrian.classical.harmonic import Harmonic
from cambrian.classical.morse import Morse
from cambrian.contracts import evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of
from cambrian.math.truncation import ForceShifted, Plain

GIVEN = {
    "depth": {"Cu": 0.34, "Cu-O": 1.2, "O": 0.05},
    "width": {"Cu": 1.36, "Cu-O": 1.9, "O": 1.1},
    "distance": {"Cu": 2.87, "Cu-O": 1.95, "O": 3.2},
}
# types are numbered by atomic number: 1 is O, 2 is Cu
COEFFICIENTS = ["pair_coeff 2 2 0.34 1.36 2.87", "pair_coeff 1 2 1.2 1.9 1.95", "pair_coeff 1 1 0.05 1.1 3.2"]
STRUCTURES = [skewed("Cu4O4", length=5.0), skewed("Cu4O4", length=5.0, sign=-1), cluster("Cu3O2", spacing=2.2)]


def curvature(potential, r0: float, cutoff: float) -> float:
    step = 1e-4
    forces = []
    for side in (-1, 1):
        pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, r0 + side * step]])
        forces.append(evaluate(potential, graph_of(pair, cutoff)).forces[1, 2].item())
    return (forces[0] - forces[1]) / (2 * step)


@pytest.mark.parametrize("atoms", STRUCTURES, ids=["triclinic", "left-handed", "cluster"])
@pytest.mark.parametrize(("truncation", "style"), [(Plain(), "morse"), (ForceShifted(), "morse/smooth/linear")])
def test_morse_equals_lammps(atoms, truncation, style):
    potential = Morse(**GIVEN, cutoff=7.0, truncation=truncation)
    assert_equals_lammps(potential, atoms, single_point(atoms, [f"pair_style {style} 7.0", *COEFFICIENTS]))
    form = potential.lammps()
    assert form.style == f"{style} 7"
    assert [float(w) for w in form.coefficients["O", "Cu"].split()] == pytest.approx([1.2, 1.9, 1.95], rel=1e-15)


def test_force_constants():
    morse = Morse(depth=0.34, width=1.36, distance=2.87, cutoff=15.0, truncation=Plain())
    assert curvature(morse, 2.87, 15.0) == pytest.approx(2 * 0.34 * 1.36**2, rel=1e-6)
    spring = Harmonic(strength=1.7, distance=2.0, cutoff=3.0)
    assert curvature(spring, 2.0, 3.0) == pytest.approx(2 * 1.7, rel=1e-8)


def test_depth_of_the_well_and_of_none():
    pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.87]])
    morse = Morse(depth={"Cu": 0.34}, width=1.36, distance=2.87, cutoff=15.0, truncation=Plain())
    assert evaluate(morse, graph_of(pair, 15.0)).energy.item() == pytest.approx(-0.34)
    none = Morse(depth=0.0, width=1.36, distance=2.87)
    assert evaluate(none, graph_of(pair, 8.0)).energy.item() == 0


def test_spring_ends_smoothly():
    spring = Harmonic(strength=1.7, distance=2.0, cutoff=3.0)
    for side in (-1e-7, 1e-7):
        p = evaluate(spring, graph_of(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 3.0 + side]]), 3.0))
        assert abs(p.energy.item()) < 1e-10
        assert p.forces.abs().max() < 1e-10


@pytest.mark.parametrize("potential", [Morse(**GIVEN, cutoff=7.0), Harmonic(strength=1.7, distance=2.0, cutoff=4.0)])
def test_forces_are_slopes(potential):
    assert_forces_are_slopes(potential, skewed("Cu4O4", length=5.0))
    for atoms in (Atoms("Cu"), Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 30.0]])):
        assert evaluate(potential, graph_of(atoms, potential.cutoff)).energy.item() == 0


@pytest.mark.parametrize("kind", [Morse, Harmonic])
def test_guess_rests_at_the_nearest_neighbors(kind):
    potential = kind()
    pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.2]])
    potential.setup(Dataset([Structure(pair)]))
    assert potential.by_name()["Cu", "Cu"]["distance"] == pytest.approx(2.2)
