"""Diffusion of particles whose coefficient is known, drawn without dynamics, and of a small liquid with dynamics."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from matplotlib.figure import Figure
from planted_motion import free_particles, trajectory

from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.math.transport import yeh_hummer
from cambrian.units import BOLTZMANN
from cambrian.validate.diffusion import Diffusion
from cambrian.validate.trajectory import trajectory_of

KRYPTON_ARGON = ["Ar"] * 24 + ["Kr"] * 24


def as_data(t, *, wrapped=True, velocity_factor=1.0):
    """The frames as a file would have them: wrapped positions, momenta and times."""
    frames = []
    for time, positions, velocities in zip(t.times, t.positions, t.velocities, strict=True):
        atoms = t.atoms.copy()
        atoms.positions = positions
        atoms.set_velocities(velocity_factor * velocities / units.fs)
        if wrapped:
            atoms.wrap()
        atoms.info["time_fs"] = time
        frames.append(Structure(atoms))
    return Dataset(frames)


def argon(epsilon=0.0104, sigma=3.4):
    return LennardJones(epsilon={"Ar": epsilon}, sigma={"Ar": sigma}, cutoff=6.0)


@pytest.fixture
def planted(monkeypatch):
    """Runs are drawn instead of computed: free particles whose D is kT/(m γ), times `factor` for one of the drivers."""
    faster = {}

    def produce(driver, start, ensemble, *, seed, progress, **settings):
        progress(1.0)
        t, _ = free_particles(KRYPTON_ARGON, temperature_K=ensemble.temperature_K, seed=seed)
        factor = np.sqrt(faster.get(driver, 1.0))
        return trajectory(t.atoms, t.times, factor * t.positions, factor * t.velocities)

    monkeypatch.setattr("cambrian.validate.fluctuations.produce", produce)
    return faster


def test_both_elements_of_an_ideal_mixture():
    runs, expected = zip(*[free_particles(KRYPTON_ARGON, seed=k) for k in range(3)], strict=True)
    found = Diffusion(window_fs=3000.0).measured(list(runs), 0.0)
    assert found.temperature_K == pytest.approx(300, rel=0.02)
    for element in ("Ar", "Kr"):
        for c in found.routes[element].values():
            # the center of mass takes a share of the motion of each particle with it
            assert abs(c.estimate.value - expected[0][element]) < 3.5 * c.estimate.error
            assert c.estimate.error < 0.06 * expected[0][element]


def test_a_drifting_center_of_mass_does_not_count():
    t, _ = free_particles(KRYPTON_ARGON)
    drift = np.array([0.01, -0.02, 0.005])
    moved = trajectory(t.atoms, t.times, t.positions + t.times[:, None, None] * drift, t.velocities + drift)
    still, drifting = (Diffusion(n_runs=1, window_fs=3000.0).measured([x], 0.0) for x in (t, moved))
    for route, c in still.routes["Ar"].items():
        assert drifting.routes["Ar"][route].estimate.value == pytest.approx(c.estimate.value, rel=1e-6)


def test_wrapped_frames_of_a_file_are_unwrapped():
    t, _ = free_particles(["Ar"] * 8, n_times=400, side=8.0)
    data = as_data(t)
    assert np.ptp([s.atoms.positions for s in data], axis=0).max() < 8.0
    assert np.ptp(t.positions, axis=0).max() > 8.0
    found = trajectory_of(data)
    np.testing.assert_allclose(found.positions - found.positions[0], t.positions - t.positions[0], atol=1e-9)


def test_velocities_that_do_not_belong_to_the_positions_are_found():
    t, _ = free_particles(["Ar"] * 24)
    wrong = trajectory(t.atoms, t.times, t.positions, 1.5 * t.velocities)
    subject = Diffusion(window_fs=3000.0)
    for runs, faulty in (([t], False), ([wrong], True)):
        faults = subject.tolerance.faults("D of Ar", subject.measured(runs, 0.0).routes["Ar"])
        assert bool(faults) == faulty
    assert "velocities and positions belong together" in faults[0]


def test_free_flight_is_not_called_diffusion():
    t, _ = free_particles(KRYPTON_ARGON)
    flying = t.velocities[:1] * t.times[:, None, None]
    runs = [trajectory(t.atoms, t.times, flying, np.broadcast_to(t.velocities[:1], flying.shape))]
    subject = Diffusion(window_fs=3000.0)
    faults = subject.tolerance.faults("D of Ar", subject.measured(runs, 0.0).routes["Ar"])
    assert len([f for f in faults if "still changes within the window" in f]) == 2


def test_a_potential_is_compared_with_a_trajectory(planted):
    reference = as_data(free_particles(KRYPTON_ARGON, seed=9)[0])
    check, good, fast, heard = Diffusion(n_runs=3, window_fs=3000.0), argon(), argon(), []
    planted[fast] = 1.8
    same = check.run(good, reference, progress=heard.append)
    assert same.verdict == "passed", same.sentence
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert set(same.plots) == {"Ar_einstein", "Ar_green_kubo", "Kr_einstein", "Kr_green_kubo"}
    for draw in same.plots.values():
        draw(Figure().add_subplot())
    other = check.run(fast, reference)
    assert other.verdict == "failed"
    assert "outside what is tolerated (3 errors and 10 %): Ar, Kr" in other.sentence
    assert other.figures["Ar"] == pytest.approx(1.8 * same.figures["Ar"])


def test_known_values_temperatures_and_finite_size(planted):
    start = as_data(free_particles(KRYPTON_ARGON, n_times=1)[0], velocity_factor=0.0)
    settings = {"temperature_K": [300.0, 600.0], "n_runs": 2, "window_fs": 3000.0}
    plain = Diffusion(**settings).run(argon(), start)
    assert plain.verdict == "no reference", plain.sentence
    first, second = plain.figures["by_temperature"]
    kT = BOLTZMANN * np.array([first["temperature_K"], second["temperature_K"]])
    slope = np.log(second["Ar"][0] / first["Ar"][0]) / (1 / kT[0] - 1 / kT[1])
    assert plain.figures["Ar_activation_energy"] == pytest.approx(slope)
    known = {"Kr": plain.figures["Kr"], "Ar_activation_energy": slope}
    assert Diffusion(**settings, known=known).run(argon(), start).verdict == "passed"
    known["Ar_activation_energy"] += 0.1
    result = Diffusion(**settings, known=known).run(argon(), start)
    assert result.verdict == "failed"
    assert result.sentence.endswith("tolerated (3 errors and 10 %): Ar_activation_energy")
    corrected = Diffusion(**settings, viscosity_mPa_s=0.1).run(argon(), start).figures
    joule, meter = 1.602176634e-19, 1e-10
    taken = yeh_hummer(kT[0] * joule, 1e-4, 30 * meter) * 1e8
    assert corrected["finite_size"] == pytest.approx(taken, rel=1e-6)
    assert corrected["Ar"] == pytest.approx(corrected["Ar_einstein"] + taken)


def test_dynamics_with_a_potential():
    crystal = Dataset([Structure(bulk("Ar", cubic=True, a=5.3))])
    check = Diffusion(temperature_K=20.0, n_runs=2, n_steps=80, timestep_fs=4.0, every=2, equilibration_fs=40.0)
    result = check.run(argon(), crystal)
    assert abs(result.figures["Ar"]) < 0.05
    assert 5 < result.figures["temperature_K"] < 40


def test_refusals(planted):
    start = as_data(free_particles(KRYPTON_ARGON, n_times=1)[0])
    with pytest.raises(UserError, match="did you mean 'Ar'"):
        Diffusion(n_runs=1, known={"A": 1.0}).run(argon(), start)
    with pytest.raises(UserError, match="longer than a run of"):
        Diffusion(n_runs=1, window_fs=1e6).run(argon(), start)
    molecule = Dataset([Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 4]]))])
    assert "molecule" in Diffusion().unsuited(argon(), molecule, None)
    assert "nothing to be compared with" in Diffusion().unsuited(argon(), start, None)
    assert not Diffusion(known={"Ar": 1.0}).unsuited(argon(), start, None)
    short = as_data(free_particles(KRYPTON_ARGON, n_times=12)[0])
    assert not Diffusion().unsuited(argon(), short, None)
    with pytest.raises(UserError, match="3 recorded times is too short"):
        Diffusion(window_fs=3000.0).run(argon(), short)
