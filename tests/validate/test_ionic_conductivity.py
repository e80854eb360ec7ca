"""Conductivity of ions that move on their own, and of ions that are bound to each other: both known in closed form."""

import numpy as np
import pytest
from ase import Atoms
from matplotlib.figure import Figure
from planted_motion import free_particles, trajectory

from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.validate.ionic_conductivity import IonicConductivity

SALT = ["Na"] * 40 + ["Cl"] * 40
SIDE = 30.0
KELVIN = 300.0


def in_siemens_per_meter(squares: float) -> float:
    """Σ z² D (e² Å²/ps) in the cell at the temperature of these tests, by SI constants."""
    e, k = 1.602176634e-19, 1.380649e-23
    return squares * e**2 * 1e-8 / ((SIDE * 1e-10) ** 3 * k * KELVIN)


def salt(seed=0):
    return free_particles(SALT, seed=seed, side=SIDE, temperature_K=KELVIN)


def bound(seed=0):
    """Dimers of Mg²⁺ and F⁻ that move as one, with a free F⁻ for each."""
    t, expected = free_particles(["Cl"] * 40 + ["F"] * 40, seed=seed, side=SIDE)
    ions = Atoms(["Mg"] * 40 + ["F"] * 80, cell=[SIDE] * 3, pbc=True)
    order = [*range(40), *range(40), *range(40, 80)]
    return trajectory(ions, t.times, t.positions[:, order], t.velocities[:, order]), expected


def check(charges=None, **changes):
    return IonicConductivity(charges=charges or {"Na": 1, "Cl": -1}, window_fs=3000.0, n_runs=3, **changes)


def test_independent_ions_conduct_as_nernst_and_einstein_say():
    subject = check()
    runs, expected = zip(*[salt(seed) for seed in range(4)], strict=True)
    found = subject.measured(list(runs), subject.formal_charges(runs[0].atoms))
    exact = in_siemens_per_meter(40 * sum(expected[0].values()))
    for estimate in (c.estimate for c in found.routes.values()):
        assert abs(estimate.value - exact) < 3.5 * estimate.error
        assert estimate.error < 0.25 * exact
    assert found.nernst_einstein.value == pytest.approx(exact, rel=0.06)
    assert abs(found.ionicity.value - 1) < 3.5 * found.ionicity.error
    assert found.ionicity.error < 0.25


def test_bound_ions_have_the_ionicity_of_their_charges():
    subject = check({"Mg": 2, "F": -1})
    runs, expected = zip(*[bound(seed) for seed in range(4)], strict=True)
    found = subject.measured(list(runs), subject.formal_charges(runs[0].atoms))
    dimer, free = expected[0]["Cl"], expected[0]["F"]
    exact = (dimer * (2 - 1) ** 2 + free) / (dimer * (4 + 1) + free)
    assert abs(found.ionicity.value - exact) < 3.5 * found.ionicity.error
    assert found.ionicity.error < 0.25 * exact
    assert found.ionicity.value + 3 * found.ionicity.error < 1


def test_neutral_pairs_carry_nothing():
    t, _ = free_particles(["Cl"] * 40, side=SIDE)
    order = [*range(40), *range(40)]
    pairs = trajectory(Atoms(SALT, cell=[SIDE] * 3, pbc=True), t.times, t.positions[:, order], t.velocities[:, order])
    subject = check()
    found = subject.measured([pairs], subject.formal_charges(pairs.atoms))
    assert abs(found.ionicity.value) < 1e-10
    assert found.nernst_einstein.value > 1


@pytest.fixture
def planted(monkeypatch):
    """Runs are drawn instead of computed; with a potential in `wrong` velocities and positions do not fit."""
    wrong = {}

    def produce(driver, start, ensemble, *, seed, watch, progress, **settings):
        progress(1.0)
        t, _ = salt(seed)
        charges = np.tile(np.where(start.numbers == 11, 0.8, -0.8), (len(t), 1))
        extras = {name: charges for name in watch}
        return trajectory(t.atoms, t.times, t.positions, wrong.get(driver, 1.0) * t.velocities, **extras)

    monkeypatch.setattr("cambrian.validate.fluctuations.produce", produce)
    return wrong


def potential():
    return LennardJones(epsilon=0.01, sigma=2.0)


def start():
    return Dataset([Structure(Atoms(SALT, cell=[SIDE] * 3, pbc=True))])


def test_verdicts(planted):
    good, bad = potential(), potential()
    planted[bad] = 2.0
    _, expected = salt()
    exact = in_siemens_per_meter(40 * sum(expected.values()))
    alone = check().run(good, start())
    assert alone.verdict == "no reference", alone.sentence
    assert alone.figures["haven_ratio"] == pytest.approx(1 / alone.figures["ionicity"])
    assert "S/m" in alone.sentence
    for draw in alone.plots.values():
        draw(Figure().add_subplot())
    assert check(known_S_per_m=exact).run(good, start()).verdict == "passed"
    off = check(known_S_per_m=3 * exact).run(good, start())
    assert off.verdict == "failed"
    assert "outside what is tolerated" in off.sentence
    assert "velocities and positions belong together" in check().run(bad, start()).sentence


def test_charges_of_the_potential_itself(planted):
    formal = check().run(potential(), start()).figures
    own = IonicConductivity(window_fs=3000.0, n_runs=3).run(potential(), start()).figures
    assert own["conductivity_S_per_m"] == pytest.approx(0.64 * formal["conductivity_S_per_m"])
    assert own["ionicity"] == pytest.approx(formal["ionicity"])


def test_refusals(planted):
    with pytest.raises(UserError, match=r"sum to \+40 e"):
        check({"Na": 2, "Cl": -1}).run(potential(), start())
    with pytest.raises(UserError, match="charges lacks Cl"):
        check({"Na": 1}).run(potential(), start())
    molecule = Dataset([Structure(Atoms("NaCl", [[0, 0, 0], [0, 0, 2.4]]))])
    assert "no current flows" in check().unsuited(potential(), molecule, None)
    assert "nothing to be compared with" in check().unsuited(potential(), start(), None)
    assert not check(known_S_per_m=1.0).unsuited(potential(), start(), None)
    assert "no charges" in IonicConductivity().unsuited(potential(), start(), None)


def test_wrong_charges_are_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr("cambrian.validate.fluctuations.produce", lambda *_, **__: pytest.fail("it ran"))
    for repeat in ((1, 1, 1), (2, 1, 1)):
        with pytest.raises(UserError, match="sum to"):
            check({"Na": 2, "Cl": -1}, repeat=repeat).run(potential(), start())


def test_a_potential_without_charges_asks_for_them():
    crystal = Dataset([Structure(Atoms("NaCl", [[0, 0, 0], [2.8, 0, 0]], cell=[5.6] * 3, pbc=True))])
    with pytest.raises(UserError, match="give them by element"):
        IonicConductivity(n_steps=20, equilibration_fs=0.0).run(potential(), crystal)
