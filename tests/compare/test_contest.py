"""A contest with a known winner, folds that keep groups whole, and fits that are not done twice."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from small_data import write_argon

from cambrian.classical.lennard_jones import LennardJones
from cambrian.compare import Contest, contestants
from cambrian.compare import trial as trial_module
from cambrian.compare.contest import folds
from cambrian.configuration import Setting
from cambrian.data import Dataset, Structure, read
from cambrian.errors import UserError
from cambrian.validate.speed import microseconds_per_atom_step, pinned, timed_structure

TEXTS = {"snap": ("two_j_max=0", "cutoff=4.0"), "lj": ("cutoff=6", "solver.starts=1")}
SMALL = {name: [Setting.parse(text) for text in texts] for name, texts in TEXTS.items()}
KILLED_IN_THE_SECOND = """
import os, signal, sys
from pathlib import Path
from cambrian.compare import Contest, contestants
from cambrian.compare import trial
from cambrian.configuration import Setting
from cambrian.data import read
texts = {"snap": ("two_j_max=0", "cutoff=4.0"), "lj": ("cutoff=6", "solver.starts=1")}
settings = {name: [Setting.parse(t) for t in given] for name, given in texts.items()}
calls, run = [], trial.fit
def fit(*given, **named):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(*given, **named)
trial.fit = fit
data = read(sys.argv[1])
Contest(contestants(["snap", "lj"], settings, None), [data.split(0.75)], Path(sys.argv[2]), portions=(1.0,)).run()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    """Argon by a Lennard-Jones curve, in two groups."""
    return read(write_argon(tmp_path_factory.mktemp("data") / "argon.xyz", 16, size=1))


@pytest.fixture(scope="module")
def contest(data, tmp_path_factory) -> Contest:
    recipes = contestants(["snap", "lj"], SMALL, None)
    return Contest(recipes, [data.split(0.75)], tmp_path_factory.mktemp("contest"), portions=(0.5, 1.0))


@pytest.fixture(scope="module")
def found(contest):
    return contest.run()


def test_lennard_jones_wins_on_lennard_jones(found):
    """Its curve is that of the data but for the end at the cutoff; a constant and one component cannot follow it."""
    errors = {row.name: row.errors["force_rmse"] for row in found.rows}
    assert errors["lj"] < 0.1 * errors["snap"]
    assert getattr(found.recommended(), "name", None) == "lj"


def test_rows_tell_costs_and_a_learning_curve(found):
    for row in found.rows:
        assert [n for n, _ in row.curve] == [6, 12]
        assert row.curve[-1][1] == row.errors
        assert row.fit_seconds > 0
        assert row.us_per_atom_step > 0
    assert {row.name: row.n_parameters for row in found.rows} == {"snap": 2, "lj": 3}


def test_what_is_done_is_not_done_again(contest, found, monkeypatch):
    def refuse(*given, **named):
        raise AssertionError("fitted again")

    monkeypatch.setattr(trial_module, "fit", refuse)
    assert contest.run().rows == found.rows


def test_another_seed_setting_or_structure_is_fitted_anew(contest, data):
    (trial,) = [t for t in contest.trials("snap") if t.name == "all"]
    assert trial.kept() is not None
    others = [
        Contest(contest.recipes, contest.pairs, contest.folder, seed=1, portions=(1.0,)),
        Contest(contest.recipes, [data.split(0.75, seed=4)], contest.folder, portions=(1.0,)),
        Contest(contestants(["snap"], {}, None), contest.pairs, contest.folder, portions=(1.0,)),
    ]
    for other in others:
        assert next(iter(other.trials("snap"))).kept() is None


@pytest.mark.slow
def test_killed_and_run_again_keeps_what_was_done(data, tmp_path, monkeypatch):
    file = write_argon(tmp_path / "argon.xyz", 16, size=1)
    command = [sys.executable, "-c", KILLED_IN_THE_SECOND, str(file), str(tmp_path / "fits")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    fitted, run = [], trial_module.fit
    monkeypatch.setattr(trial_module, "fit", lambda *given, **named: fitted.append(1) or run(*given, **named))
    again = Contest(contestants(["snap", "lj"], SMALL, None), [data.split(0.75)], tmp_path / "fits", portions=(1.0,))
    found = again.run()
    assert len(fitted) == 1
    assert [row.failure for row in found.rows] == ["", ""]


def test_a_recipe_that_does_not_suit_says_why_and_the_others_go_on(data, tmp_path):
    settings = SMALL | {"lj": [Setting.parse("solver=LeastSquares")]}
    contest = Contest(contestants(["lj", "snap"], settings, None), [data.split(0.75)], tmp_path, portions=(1.0,))
    odd, good = contest.run().rows
    assert "is not linear in its parameters" in odd.failure
    assert odd.errors == {}
    assert good.failure == ""


def test_a_limit_reaches_the_solvers_that_have_one():
    limited = contestants(["hdnnp", "snap"], {}, 0.5)
    assert limited["hdnnp"].build()[1].arguments["max_minutes"] == 0.5
    own = contestants(["hdnnp"], {"hdnnp": [Setting.parse("solver.max_minutes=3")]}, 0.5)
    assert own["hdnnp"].build()[1].arguments["max_minutes"] == 3
    with pytest.raises(UserError, match="two recipes are called snap"):
        contestants(["snap", "snap"], {}, None)


def test_one_recipe_takes_part_with_two_solvers():
    settings = {"kalman": [Setting.parse("solver=KalmanFilter")]}
    recipes = contestants(["hdnnp", "kalman=hdnnp"], settings, 0.5)
    solvers = {name: type(recipe.build()[1]).__name__ for name, recipe in recipes.items()}
    assert solvers == {"hdnnp": "GradientDescent", "kalman": "KalmanFilter"}
    assert recipes["kalman"].build()[1].arguments["max_minutes"] == 0.5


def groups(n_groups: int, size: int) -> Dataset:
    atoms = bulk("Ar", cubic=True)
    return Dataset(Structure(atoms, energy=0.0, group=f"g{k % n_groups}", frame=k) for k in range(n_groups * size))


def test_folds_by_group_share_no_group():
    data = groups(7, 4)
    held_out = []
    for train, test in folds(data, 3, by="group", seed=2):
        assert not set(train.groups) & set(test.groups)
        assert len(train) + len(test) == len(data)
        held_out += [s.frame for s in test]
    assert sorted(held_out) == list(range(len(data)))


def test_folds_by_block_are_consecutive_in_each_group():
    data = groups(2, 9)
    held_out = []
    for _, test in folds(data, 3, by="block", seed=0):
        for name in test.groups:
            frames = np.array([s.frame for s in test if s.group == name])
            assert (np.diff(frames) == 2).all()  # neighbors in their group
            assert len(frames) == 3
        held_out += [s.frame for s in test]
    assert sorted(held_out) == list(range(len(data)))
    with pytest.raises(UserError, match="too small for 12 blocks"):
        folds(data, 12, by="block", seed=0)


def test_folds_give_mean_and_deviation(data, tmp_path):
    recipes = contestants(["snap"], SMALL, None)
    contest = Contest(recipes, folds(data, 2, by="group", seed=0), tmp_path)
    (row,) = contest.run().rows
    outcomes = [trial.kept() for trial in contest.trials("snap")]
    each = np.array([o.errors["force_rmse"] for o in outcomes if o is not None], dtype=float)
    assert len(each) == 2
    assert row.errors["force_rmse"] == pytest.approx(np.mean(each))
    assert row.deviations["force_rmse"] == pytest.approx(abs(each[0] - each[1]) / np.sqrt(2))
    assert row.curve == ()


def test_small_cells_are_repeated_and_molecules_are_not():
    cell = Dataset([Structure(bulk("Ar", cubic=True)), Structure(bulk("Ar"))])
    atoms = timed_structure(cell)
    assert 200 <= len(atoms) < 400
    assert np.ptp(atoms.cell.lengths()) <= 5.3 * 2
    water = Dataset([Structure(molecule("H2O"), total_charge=1.0)])
    assert len(timed_structure(water)) == 3
    assert timed_structure(water).info["total_charge"] == 1.0


def test_threads_are_set_back_and_time_is_positive():
    before = torch.get_num_threads()
    with pinned(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    curve = LennardJones(epsilon=0.01, sigma=3.4, cutoff=6.0)
    curve.setup(Dataset([Structure(bulk("Ar", cubic=True, a=5.3))]))
    assert 0 < microseconds_per_atom_step(curve, bulk("Ar", cubic=True, a=5.3).repeat(2)) < 1e5
