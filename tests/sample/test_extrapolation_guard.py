"""A run is told where it leaves the training data: planted extrapolation, by its element, function and severity."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read
from lammps_runs import lammps_module

from cambrian.calculator import Calculator
from cambrian.classical.harmonic import Harmonic
from cambrian.contracts import DescriptorPotential
from cambrian.contracts.extrapolation import ExtrapolationWatch, FeatureRange, severities, worst
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF, Radial
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.symmetry_grids import Points
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVE
from cambrian.sample.extrapolation_guard import ExtrapolationGuard
from cambrian.sample.lammps_dynamics import LammpsDynamics

ETA = 0.5


def dimer(r: float, symbols: str = "ArAr") -> Atoms:
    return Atoms(symbols, [[0, 0, 0], [r, 0, 0]])


def fitted(descriptor=None, regressor=None) -> DescriptorPotential:
    """Knows dimers from 3.0 to 3.4 Å; by default one feature, which falls with the distance."""
    potential = DescriptorPotential(
        descriptor or ACSF(cutoff=6.0, functions=[Radial(Points([[ETA, 2.0]]))]),
        regressor or NeuralRegressor(hidden=(3,), seed=1),
    )
    potential.setup(Dataset([Structure(dimer(r)) for r in np.linspace(3.0, 3.4, 9)]))
    return potential


def value(potential, atoms) -> float:
    return float(potential.descriptor.features(graph_of(atoms, 6.0))[0, 0])


def flying(speed: float = 0.02) -> Atoms:
    """A dimer inside the range whose atoms part at a speed (Å/fs) far above any force."""
    atoms = dimer(3.2)
    velocities = np.array([[-speed / 2, 0, 0], [speed / 2, 0, 0]]) / 0.09822694788464063  # Å/fs in units of ASE
    atoms.set_velocities(velocities)
    return atoms


def run(potential, *, n_steps=40, every=10, start=None, folder=None, **how):
    said = []
    with ExtrapolationWatch(potential) as watch:
        guard = ExtrapolationGuard(watch, say=said.append, **how)
        atoms = start or flying()
        atoms.calc = Calculator(potential)
        trajectory = None if folder is None else folder / "run.extxyz"
        plan = Dynamics(NVE(0.0), n_steps=n_steps, timestep_fs=1.0, every=every)
        result = plan.run(atoms, trajectory=trajectory, guard=guard)
    return result, guard, said


@pytest.mark.parametrize("through", ["truth", "calculator"])
def test_a_planted_extrapolation_has_its_severity_name_and_side(through):
    potential = fitted()
    low, high = value(potential, dimer(3.4)), value(potential, dimer(3.0))
    for r, above in ((2.9, True), (3.5, False)):
        with ExtrapolationWatch(potential) as watch:
            atoms = dimer(r)
            if through == "truth":
                potential(graph_of(atoms, 6.0))
            else:
                atoms.calc = Calculator(potential)
                atoms.get_forces()
            found = worst(watch.seen())
        expected = (value(potential, atoms) - high if above else low - value(potential, atoms)) / (high - low)
        assert found is not None
        assert found.severity == pytest.approx(expected, rel=1e-9)
        assert (found.element, found.above) == ("Ar", above)
        assert found.feature == "radial Ar, η 0.5 1/Å², shift 2 Å"
        assert f"widths {'above' if above else 'below'} the training range" in str(found)


@pytest.mark.parametrize("regressor", [LinearRegressor(), NeuralRegressor(hidden=(3,))], ids=["linear", "network"])
@pytest.mark.parametrize("descriptor", [ACSF(cutoff=6.0), SO4Bispectrum(cutoff=6.0, two_j_max=2)], ids=["acsf", "so4"])
def test_the_step_itself_shows_what_the_features_say(descriptor, regressor):
    """The features that go by while forces are computed, compiled route or not, give what computing them anew gives."""
    potential = fitted(descriptor, regressor)
    rng = np.random.default_rng(3)
    atoms = Atoms("Ar5", rng.normal(scale=2.5, size=(5, 3)))
    with ExtrapolationWatch(potential) as watch:
        atoms.calc = Calculator(potential)
        atoms.get_forces()
        seen = severities(watch.seen())
    anew = FeatureRange.stored(potential).excess(graph_of(atoms, 6.0))
    assert float(anew.max()) > 0.1
    torch.testing.assert_close(seen, anew, rtol=1e-8, atol=1e-12)
    assert potential.observer is None, "nobody looks on any more"


def test_nothing_is_said_inside_the_ranges():
    _, guard, said = run(fitted(), start=dimer(3.2), n_steps=3)
    assert (guard.n_looks, guard.n_warnings, said) == (4, 0, [])


def test_a_run_that_leaves_is_heard_each_time_it_comes_twice_as_far(tmp_path):
    potential = fitted()
    result, guard, said = run(potential, every=1, folder=tmp_path, frames=tmp_path / "run.extrapolating.extxyz")
    distances = [a.get_distance(0, 1) for a in read(tmp_path / "run.extxyz", index=":")]
    low, high = value(potential, dimer(3.4)), value(potential, dimer(3.0))
    severity = np.array([(low - value(potential, dimer(r))) / (high - low) for r in distances])
    assert guard.n_looks == 41
    assert guard.n_warnings == 2 * (severity > 1e-9).sum(), "both atoms, by their one feature"
    told, expected = 0.0, []
    for step, s in enumerate(severity):
        if s >= max(0.05, 2 * told):
            told = s
            expected.append(step)
    frames = read(tmp_path / "run.extrapolating.extxyz", index=":")
    assert [a.info["step"] for a in frames] == expected
    assert len(expected) == len(said) > 2
    for frame, line in zip(frames, said, strict=True):
        step = frame.info["step"]
        assert frame.arrays["extrapolation"] == pytest.approx([severity[step]] * 2, rel=1e-6)
        assert line.startswith(f"{step} fs: Ar ")
        assert frame.info["extrapolates"] in line
    assert guard.worst["Ar"].severity == pytest.approx(severity[-1], rel=1e-6)
    assert not result.stopped


def test_a_run_stops_where_it_is_told_to_and_goes_on_with_another_limit(tmp_path):
    potential = fitted()
    frames = tmp_path / "run.extrapolating.extxyz"
    result, guard, _ = run(potential, folder=tmp_path, frames=frames, stop_above=0.3)
    assert result.stopped.startswith(f"stopped after {result.n_steps} fs: it extrapolates, Ar ")
    assert guard.worst["Ar"].severity >= 0.3
    assert read(tmp_path / "run.extxyz").info["step"] == result.n_steps
    again, _, _ = run(potential, folder=tmp_path, frames=frames, stop_above=0.3)
    assert (again.stopped, again.n_steps) == (result.stopped, result.n_steps), "it stays where it stopped"
    on, guard, _ = run(potential, folder=tmp_path, frames=frames)
    assert (on.stopped, on.n_steps) == ("", 40)
    whole, reference, _ = run(potential, folder=tmp_path / "whole", frames=tmp_path / "whole" / "frames.extxyz")
    assert guard.facts() == reference.facts(), "counts go on where they stood"
    assert frames.read_bytes() == (tmp_path / "whole" / "frames.extxyz").read_bytes()
    np.testing.assert_array_equal(on.atoms.positions, whole.atoms.positions)


def test_looking_at_every_fifth_step_only():
    _, guard, _ = run(fitted(), n_steps=20, every=5)
    assert guard.n_looks == 21
    potential = fitted()
    with ExtrapolationWatch(potential) as watch:
        guard = ExtrapolationGuard(watch, every=5)
        atoms = flying()
        atoms.calc = Calculator(potential)
        Dynamics(NVE(0.0), n_steps=20, timestep_fs=1.0).run(atoms, guard=guard)
    assert guard.n_looks == 5


def test_who_cannot_tell_says_so():
    with pytest.raises(UserError, match="descriptor of atoms"):
        ExtrapolationWatch(Harmonic.example())
    older = fitted()
    older.lowest = older.highest = None
    with pytest.raises(UserError, match="fit it again"):
        ExtrapolationWatch(older)
    with pytest.raises(UserError, match="above 0"):
        ExtrapolationGuard(ExtrapolationWatch(fitted()), stop_above=0.0)


def test_features_that_are_no_numbers_are_outside():
    potential = fitted()
    known = FeatureRange.stored(potential)
    outside = known.outside(torch.tensor([[float("nan")]]), torch.tensor([0]))
    assert torch.isinf(outside).all()


def test_lammps_sees_what_ase_sees(tmp_path):
    lammps_module()
    potential = fitted()
    whole, ase, _ = run(potential, every=5, n_steps=20, folder=tmp_path, frames=tmp_path / "a.extxyz")
    with ExtrapolationWatch(potential) as watch:
        guard = ExtrapolationGuard(watch, frames=tmp_path / "b.extxyz")
        dynamics = LammpsDynamics(NVE(0.0), n_steps=20, timestep_fs=1.0, every=5)
        result = dynamics.run(flying(), potential, trajectory=tmp_path / "lammps.extxyz", guard=guard)
    np.testing.assert_allclose(result.atoms.positions, whole.atoms.positions, atol=1e-6)
    assert (guard.n_looks, ase.n_looks) == (5, 21), "LAMMPS is looked at where it gives frames"
    assert guard.worst["Ar"].severity == pytest.approx(ase.worst["Ar"].severity, rel=1e-4)
    for frame in read(tmp_path / "b.extxyz", index=":"):
        features = [value(potential, frame)] * 2
        outside = FeatureRange.stored(potential).outside(torch.tensor(features)[:, None].double(), torch.tensor([0, 0]))
        np.testing.assert_allclose(frame.arrays["extrapolation"], outside[:, 0].numpy(), rtol=1e-6)
    stopped = tmp_path / "stopped.extxyz"
    for _ in range(2):  # the second time it goes on, and stops again where it stands
        with ExtrapolationWatch(potential) as watch:
            guard = ExtrapolationGuard(watch, stop_above=0.1)
            result = dynamics.run(flying(), potential, trajectory=stopped, guard=guard)
        assert "it extrapolates, Ar" in result.stopped
        assert result.n_steps == 15


def test_the_guard_is_asked_for_its_facts_only_where_they_are_kept(tmp_path, monkeypatch):
    asked = []
    facts = ExtrapolationGuard.facts
    monkeypatch.setattr(ExtrapolationGuard, "facts", lambda self: asked.append(self.n_looks) or facts(self))
    run(fitted(), n_steps=20)
    assert not asked, "nothing is kept"
    run(fitted(), n_steps=20, folder=tmp_path)
    assert asked[0] == 1
    assert asked[-1] == 21
    assert len(asked) < 21
