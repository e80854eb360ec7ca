"""Equation of state: lattice sums of Lennard-Jones in print, a curve with no minimum fails."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from matplotlib.figure import Figure
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.zbl import ZBL
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.label.ase import ASELabeller
from cambrian.math.truncation import EnergyShifted, Plain
from cambrian.units import GPA
from cambrian.validate.equation_of_state import BirchMurnaghan, EquationOfState
from cambrian.validate.minimum import NoMinimum

EPSILON, SIGMA = 0.0104, 3.4
A12, A6 = 12.131880, 14.453921  # sums of d^-12 and d^-6 over the fcc lattice


def argon(a=5.25):
    return Dataset([Structure(bulk("Ar", a=a))])


def lennard_jones(cutoff, truncation=None):
    return LennardJones(
        epsilon={"Ar": EPSILON}, sigma={"Ar": SIGMA}, cutoff=cutoff, truncation=truncation or EnergyShifted()
    )


def lattice_energy(volume, cutoff):
    """eV/atom of fcc argon with each pair energy shifted to zero at the cutoff, by a sum over lattice points."""
    a = (4 * volume) ** (1 / 3)
    n = int(2 * cutoff / a) + 2
    points = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3), axis=-1).reshape(-1, 3)
    r = np.linalg.norm(points[points.sum(axis=1) % 2 == 0], axis=1) * a / 2
    r = r[(r > 0) & (r < cutoff)]

    def pair(r):
        return 4 * EPSILON * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6)

    return 0.5 * (pair(r) - pair(cutoff)).sum()


def test_the_same_as_a_lattice_sum_with_this_cutoff():
    cutoff = 20.0
    figures = EquationOfState(span=0.02, n_points=11).run(lennard_jones(cutoff), argon()).figures
    exact = minimize_scalar(lambda v: lattice_energy(v, cutoff), bracket=(35, 36, 37), tol=1e-9)
    h = 0.05
    curvature = sum(w * lattice_energy(exact.x + s * h, cutoff) for s, w in ((-1, 1), (0, -2), (1, 1))) / h**2
    assert figures["energy"] == pytest.approx(exact.fun, rel=1e-6)
    assert figures["volume"] == pytest.approx(exact.x, rel=1e-4)
    assert figures["bulk_modulus"] == pytest.approx(exact.x * curvature, rel=5e-3)


def test_lennard_jones_as_in_print():
    """E0 = -8.610 ε, nearest neighbors at 1.0902 σ, B = 75.2 ε/σ³ with all neighbors; here out to 13 σ and the tail."""
    cutoff = 13 * SIGMA
    figures = EquationOfState(span=0.02).run(lennard_jones(cutoff), argon()).figures
    density = 1 / figures["volume"]
    shift = 2 * EPSILON * (SIGMA / cutoff) ** 6 * 4 / 3 * np.pi * cutoff**3 * density  # what the shifts have added
    tail = 0.5 * density * quad(lambda r: -4 * EPSILON * (SIGMA / r) ** 6 * 4 * np.pi * r**2, cutoff, np.inf)[0]
    assert figures["energy"] - shift + tail == pytest.approx(-(A6**2) / (2 * A12) * EPSILON, rel=1e-4)
    spacing = (np.sqrt(2) * figures["volume"]) ** (1 / 3)
    assert spacing / SIGMA == pytest.approx((2 * A12 / A6) ** (1 / 6), rel=1e-3)
    bulk_modulus = 4 * A12 * (A6 / A12) ** 2.5 * EPSILON / SIGMA**3
    assert figures["bulk_modulus"] == pytest.approx(bulk_modulus, rel=0.01)


def test_the_fit_gives_back_the_curve_it_came_from():
    curve = BirchMurnaghan(20.0, -5.4, 0.6, 4.7)
    volumes = np.linspace(18.5, 21.6, 9)
    found = BirchMurnaghan.fit(volumes, curve(volumes))
    assert (found.volume, found.energy) == pytest.approx((20.0, -5.4), rel=1e-10)
    assert (found.bulk_modulus, found.bulk_modulus_derivative) == pytest.approx((0.6, 4.7), rel=1e-7)
    assert found.residual < 1e-12
    assert found.distance(curve) < 1e-9
    with pytest.raises(NoMinimum, match="no minimum between"):
        BirchMurnaghan.fit(volumes, -volumes)


def test_a_start_far_from_the_minimum_finds_it():
    near, far = (EquationOfState().run(lennard_jones(8.0), argon(a)).figures["volume"] for a in (5.25, 5.7))
    assert far == pytest.approx(near, rel=3e-3)


def test_pure_repulsion_fails():
    repulsion = ZBL(inner=4.0, outer=5.0)
    repulsion.setup(argon())
    result = EquationOfState().run(repulsion, argon())
    assert result.verdict == "failed"
    assert "no minimum" in result.sentence
    assert result.figures == {}


def test_against_a_method_and_known_values():
    same = ASELabeller("lj", arguments={"sigma": SIGMA, "epsilon": EPSILON, "rc": 8.0})
    result = EquationOfState(volume=1e-3, bulk_modulus=1e-3).run(lennard_jones(8.0), argon(), method=same)
    assert result.verdict == "passed", result.sentence
    assert result.figures["delta"] < 1e-6
    for draw in result.plots.values():
        draw(Figure().add_subplot())
    stiff = EquationOfState(known={"bulk_modulus_GPa": 1.3 * result.figures["bulk_modulus"] / GPA})
    failed = stiff.run(lennard_jones(8.0), argon())
    assert failed.verdict == "failed"
    assert "GPa" in failed.sentence


def test_refusals():
    assert "no lattice" in EquationOfState().unsuited(lennard_jones(8.0), Dataset([Structure(molecule("H2"))]), None)
    with pytest.raises(UserError, match="n_points of at least 5"):
        EquationOfState(n_points=3)
    assert EquationOfState(span=0.02).run(lennard_jones(8.0, Plain()), argon()).verdict == "no reference"
