"""Dynamics against equipartition and conservation laws; interruption and resume to the last digit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from odd_calculators import Springs

import cambrian
from cambrian.calculator import Calculator
from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import read
from cambrian.errors import UserError
from cambrian.math.time_series import mean_with_error
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NPT, NVE, NVT
from cambrian.units import BOLTZMANN


def hears_ctrl_c() -> None:
    """In the child: Ctrl-C is not ignored, as it is where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def chain(n=10, calculator=None):
    atoms = Atoms(f"Ne{n}", np.random.default_rng(0).normal(scale=0.2, size=(n, 3)))
    atoms.calc = calculator or Springs()
    return atoms


def argon():
    """Eight cells of the crystal, at first compressed to 5.4 Å."""
    atoms = bulk("Ar", cubic=True, a=5.4).repeat(2)
    atoms.calc = Calculator(LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0))
    return atoms


def copper(calculator=None):
    atoms = bulk("Cu", cubic=True)
    atoms.calc = calculator or EMT()
    return atoms


def test_langevin_gives_every_mode_half_kT_and_leaves_the_center_at_rest():
    atoms = chain()
    run = Dynamics(NVT(300, relaxation_fs=20.0), n_steps=8000, timestep_fs=8.0, every=4).run(atoms, seed=1)
    expected = 0.5 * BOLTZMANN * 300 * 27
    for name in ("potential_energy", "kinetic_energy"):
        mean, error = mean_with_error(run.figures[name][100:])
        # velocities of B A O A B at a finite step are a little cool: 1 - (ω dt / 2)² on the stiffest mode
        slack = 0.01 * expected if name == "kinetic_energy" else 0.0
        assert abs(mean - expected) < 4 * error + slack
        assert error < 0.02 * expected
    temperature, error = mean_with_error(run.figures["temperature_K"][100:])
    assert temperature == pytest.approx(300, abs=4 * error + 3)
    np.testing.assert_allclose(run.atoms.get_momenta().sum(axis=0), 0, atol=1e-12)


def test_kinetic_energy_has_the_spread_of_the_canonical_ensemble():
    run = Dynamics(NVT(300, relaxation_fs=20.0), n_steps=4000, timestep_fs=8.0, every=5).run(chain(4), seed=2)
    kinetic = run.figures["kinetic_energy"][50:] / (BOLTZMANN * 300)
    assert kinetic.var() == pytest.approx(9 / 2, rel=0.2)  # chi squared of 9 degrees of freedom


def test_verlet_conserves_energy_to_second_order_momentum_and_direction_of_time():
    spread = {}
    for timestep in (2.0, 4.0):
        run = Dynamics(NVE(600), n_steps=round(800 / timestep), timestep_fs=timestep, every=1).run(copper(), seed=3)
        spread[timestep] = np.ptp(run.total_energy)
    assert spread[4.0] / spread[2.0] == pytest.approx(4, rel=0.25)
    np.testing.assert_allclose(run.atoms.get_momenta().sum(axis=0), 0, atol=1e-10)
    first = Dynamics(NVE(600), n_steps=50, timestep_fs=2.0).run(copper(), seed=3)
    back = first.atoms.copy()
    back.set_momenta(-back.get_momenta())
    back.calc = EMT()
    home = Dynamics(NVE(600), n_steps=50, timestep_fs=2.0).run(back)
    np.testing.assert_allclose(home.atoms.positions, first.frames[0].positions, atol=1e-9)


def test_velocities_are_drawn_at_the_temperature_or_kept():
    atoms = copper() * 4
    atoms.calc = EMT()
    run = Dynamics(NVE(500), n_steps=0).run(atoms, seed=1)
    assert run.figures["temperature_K"][0] == pytest.approx(500, rel=0.2)
    assert run.n_steps == 0
    momenta = np.random.default_rng(1).normal(size=(4, 3))
    given = copper()
    given.set_momenta(momenta)
    np.testing.assert_array_equal(Dynamics(NVE(), n_steps=0).run(given).atoms.get_momenta(), momenta)
    assert not atoms.has("momenta")  # the structure that was given is left alone


@pytest.mark.parametrize("cell", ["isotropic", pytest.param("free", marks=pytest.mark.slow)])
def test_the_piston_holds_the_pressure(cell):
    atoms = argon()
    ensemble = NPT(60, pressure_GPa=0.4, relaxation_fs=200, pressure_relaxation_fs=300, cell=cell)
    run = Dynamics(ensemble, n_steps=600, timestep_fs=5.0, every=5).run(atoms, seed=5)
    pressures = []
    for frame in run.frames[40:]:
        frame.calc = atoms.calc
        stress = frame.get_stress(include_ideal_gas=False)
        pressures.append(-stress[:3].sum() / 3 + 2 * frame.get_kinetic_energy() / (3 * frame.get_volume()))
    mean, error = mean_with_error(np.array(pressures) / units.GPa)
    assert abs(mean - 0.4) < 4 * error + 0.02
    assert error < 0.1
    assert run.figures["volume"][-1] < run.figures["volume"][0]
    shape = run.atoms.cell.array / run.atoms.cell.array[0, 0]
    assert np.allclose(shape, np.eye(3), atol=1e-9) == (cell == "isotropic")


def test_ensembles_refuse_what_does_not_suit_them():
    held = copper()
    held.set_constraint(FixAtoms([0]))
    with pytest.raises(UserError, match="remove the constraints"):
        Dynamics(NVT(), n_steps=1).run(held)
    kept = Dynamics(NVE(600), n_steps=20).run(held).atoms
    np.testing.assert_array_equal(kept.positions[0], held.positions[0])
    with pytest.raises(UserError, match="periodic in three directions"):
        Dynamics(NPT(), n_steps=1).run(chain())
    with pytest.raises(UserError, match="timestep"):
        Dynamics(NVE(), n_steps=1, timestep_fs=0.0)


@pytest.mark.parametrize(
    ("how", "words"), [("nan", "no longer finite"), ("push", "atoms fly apart"), ("raise", "no convergence")]
)
@pytest.mark.parametrize("to_file", [True, False])
def test_a_run_that_breaks_keeps_the_last_sound_frame(tmp_path, how, words, to_file):
    file = tmp_path / "run.extxyz" if to_file else None
    dynamics = Dynamics(NVE(300), n_steps=100, every=10)
    run = dynamics.run(chain(5, Springs(breaks_at=27, how=how)), seed=1, trajectory=file)
    assert words in run.stopped
    assert "stopped after 26 fs" in run.stopped
    assert run.n_steps == 25
    np.testing.assert_array_equal(run.figures["time_fs"], [0, 10, 20, 25])
    sound = Dynamics(NVE(300), n_steps=25, every=25).run(chain(5), seed=1)
    np.testing.assert_allclose(run.atoms.positions, sound.atoms.positions, atol=1e-12)
    if to_file:
        last = read(file)[-1]
        np.testing.assert_array_equal(last.atoms.positions, run.atoms.positions)
        assert last.atoms.info["stopped"] == run.stopped
        calculator = Springs()
        again = dynamics.run(chain(5, calculator), seed=1, trajectory=file)
        assert (again.stopped, calculator.n_calls) == (run.stopped, 1)
    else:
        assert len(run.frames) == 4


def test_a_start_that_cannot_be_computed_is_an_error():
    with pytest.raises(RuntimeError, match="no convergence"):
        Dynamics(NVE(), n_steps=1).run(chain(3, Springs(breaks_at=1, how="raise")))


@pytest.mark.parametrize("ensemble", [NVE(80), NVT(50), NPT(50, pressure_GPa=1.0), NPT(50, cell="free")])
def test_a_longer_run_extends_a_shorter_one_to_the_last_digit(tmp_path, ensemble):
    whole, parts = tmp_path / "whole.extxyz", tmp_path / "parts.extxyz"
    run = Dynamics(ensemble, n_steps=60, timestep_fs=5.0, every=7).run(argon(), seed=9, trajectory=whole)
    for n_steps in (15, 15, 43, 60):
        again = Dynamics(ensemble, n_steps=n_steps, timestep_fs=5.0, every=7).run(argon(), seed=9, trajectory=parts)
    assert whole.read_bytes() == parts.read_bytes()
    for name, values in run.figures.items():
        np.testing.assert_array_equal(values, again.figures[name])
    frames = read(whole)
    assert len(frames) == 9
    assert frames[0].atoms.info["time_fs"] == 0
    frame = frames[4].atoms.copy()
    frame.calc = argon().calc
    assert frame.get_potential_energy() == frames[4].energy
    np.testing.assert_array_equal(frame.get_forces(), frames[4].forces)


def test_another_trajectory_is_never_overwritten(tmp_path):
    file = tmp_path / "run.extxyz"
    Dynamics(NVE(300), n_steps=5).run(chain(), seed=1, trajectory=file)
    content = file.read_bytes()
    moved = chain()
    moved.positions += 1e-9
    for dynamics, atoms, seed in (
        (Dynamics(NVE(301), n_steps=5), chain(), 1),
        (Dynamics(NVE(300), n_steps=5, timestep_fs=0.5), chain(), 1),
        (Dynamics(NVE(300), n_steps=5), chain(), 2),
        (Dynamics(NVE(300), n_steps=5), moved, 1),
        (Dynamics(NVE(300), n_steps=5), chain(10, Springs(k=2.0)), 1),
    ):
        with pytest.raises(UserError, match="another trajectory"):
            dynamics.run(atoms, seed=seed, trajectory=file)
    foreign = tmp_path / "foreign.extxyz"
    foreign.write_text("someone's work\n")
    with pytest.raises(UserError, match="another trajectory"):
        Dynamics(NVE(300), n_steps=5).run(chain(), trajectory=foreign)
    assert file.read_bytes() == content
    with pytest.raises(UserError, match="cannot write"):
        Dynamics(NVE(300), n_steps=5).run(chain(), trajectory=file / "below.extxyz")


SCRIPT = """
import sys
from odd_calculators import Springs
from cambrian.sample import dynamics, running
from cambrian.sample.ensembles import NVT
from ase import Atoms
import numpy as np
running.SECONDS_BETWEEN_CHECKPOINTS = 0.1
atoms = Atoms("Ne10", np.random.default_rng(0).normal(scale=0.2, size=(10, 3)))
atoms.calc = Springs(sleep=float(sys.argv[2]))
said = lambda stage, fraction, words: print(fraction, flush=True)
run = dynamics.Dynamics(NVT(300), n_steps=1200, every=3).run(atoms, seed=4, trajectory=sys.argv[1], progress=said)
print("steps", run.n_steps)
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_an_interrupted_run_resumes_to_the_last_digit(tmp_path, blow):
    paths = [str(Path(__file__).parents[1]), str(Path(cambrian.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    file = tmp_path / "run.extxyz"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(file), "0.001"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hears_ctrl_c,
    )
    while float(process.stdout.readline()) < 0.1:
        pass
    time.sleep(0.05)
    process.send_signal(blow)
    process.communicate(timeout=20)
    assert process.returncode != 0
    if blow == signal.SIGINT:
        assert len(read(file)) > 35  # whole frames only
    else:
        with file.open("a") as trajectory:
            trajectory.write("10\nProperties=spec")  # half a frame, as a power cut may leave it
    before = file.stat().st_size
    reference, resumed = chain(), chain()
    Dynamics(NVT(300), n_steps=1200, every=3).run(reference, seed=4, trajectory=tmp_path / "whole.extxyz")
    Dynamics(NVT(300), n_steps=1200, every=3).run(resumed, seed=4, trajectory=file)
    assert resumed.calc.n_calls < 1150
    assert file.stat().st_size > before
    assert file.read_bytes() == (tmp_path / "whole.extxyz").read_bytes()
