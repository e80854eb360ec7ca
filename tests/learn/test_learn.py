"""The loop: errors fall, it ends for the right reason; an end anywhere changes nothing, and nothing is done twice."""

import csv
import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_learning import Disagreement, LoggedMorse, PowerCut, Shaken, plan, tetrahedron

from cambrian.contracts import load
from cambrian.contracts.predict import predict
from cambrian.data import Dataset, Structure, read
from cambrian.errors import UserError
from cambrian.learn import Exploration, Learned, Round, Source, Stop, learn
from cambrian.learn.learn import stored
from cambrian.sample.ensembles import NVT

NEVER = Disagreement(low=1e6, high=2e6)
GENTLE = Exploration([NVT(30.0)], n_runs=1, n_steps=10, timestep_fs=2.0, every=5)


def computed(folder: Path) -> list[str]:
    """What the reference method logged: a line for each structure."""
    return (folder / "log.txt").read_text().splitlines()


def same(first: Learned, second: Learned) -> bool:
    a, b = load_file(first.potential), load_file(second.potential)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def without_time(rounds: list[Round]) -> list[Round]:
    return [dataclasses.replace(r, seconds=0.0) for r in rounds]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Learned, Path]:
    """The plan without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    return learn(plan(folder), folder / "out"), folder


def test_errors_fall_until_calm(tmp_path):
    learned = learn(plan(tmp_path, trigger=Disagreement(low=0.15, high=5.0), max_rounds=8), tmp_path / "out")
    assert learned.calm, learned.reason
    errors = [r.test_force_rmse for r in learned.rounds]
    assert errors[-1] < 0.1 * errors[0]
    assert learned.rounds[-1].accurate_fraction >= 0.95
    assert learned.rounds[-1].n_labels == len(read(tmp_path / "out" / "train.extxyz"))


def test_every_round_is_told(whole):
    learned, folder = whole
    rows = list(csv.DictReader((folder / "out" / "rounds.csv").read_text().splitlines()))
    assert len(rows) == len(learned.rounds) == 3
    for row, r in zip(rows, learned.rounds, strict=True):
        assert float(row["test_force_rmse"]) == r.test_force_rmse
        assert int(row["n_labels"]) == r.n_labels
    assert learned.rounds[0].n_labels == 4
    assert [r.n_new for r in learned.rounds] == [4, 3, 3]
    assert [r.accurate_fraction for r in learned.rounds[1:]] == [0.0, 0.0]
    assert not learned.calm
    assert learned.reason.startswith("max_rounds")


def test_candidates_are_judged_by_the_potential_that_proposed_them(whole):
    learned, folder = whole
    first = folder / "out" / "round-001"
    new = read(first / "labelled.extxyz")
    committee = load(folder / "out" / "round-000" / "fit" / "potential.safetensors")
    errors = [p.forces - s.forces for p, s in zip(predict(committee, new), new, strict=True)]
    expected = np.sqrt(np.mean(np.concatenate(errors) ** 2))
    assert learned.rounds[1].candidate_force_rmse == pytest.approx(expected, rel=1e-9)


def test_the_test_set_is_never_trained_on(whole):
    _, folder = whole
    trained = {s.atoms.positions.tobytes() for s in read(folder / "out" / "train.extxyz")}
    tested = {s.atoms.positions.tobytes() for s in read(folder / "out" / "test" / "labelled.extxyz")}
    assert len(tested) == 6
    assert not trained & tested


CUTS = ["sample:6", "sample:4", "label:8", "explore:6", "select:4", "label:12", "fit:1007"]


@pytest.mark.parametrize("moment", CUTS)
def test_an_end_anywhere_changes_nothing_and_computes_nothing_twice(moment, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("CUT", moment)
    with pytest.raises(PowerCut):
        learn(plan(tmp_path), tmp_path / "out")
    monkeypatch.delenv("CUT")
    learned = learn(plan(tmp_path), tmp_path / "out")
    assert same(learned, whole[0])
    assert without_time(learned.rounds) == without_time(whole[0].rounds)
    assert sorted(computed(tmp_path)) == sorted(computed(whole[1]))
    assert len(set(computed(tmp_path))) == len(computed(tmp_path))


def test_finished_learning_does_nothing_more(whole):
    learned, folder = whole
    before = computed(folder), os.stat(folder / "out" / "round-001" / "explored.json").st_mtime_ns
    again = learn(plan(folder), folder / "out")
    assert (computed(folder), os.stat(folder / "out" / "round-001" / "explored.json").st_mtime_ns) == before
    assert again.rounds == learned.rounds


def test_more_rounds_go_on_where_it_ended(whole, tmp_path):
    learn(plan(tmp_path, max_rounds=1), tmp_path / "out")
    assert same(learn(plan(tmp_path), tmp_path / "out"), whole[0])


def test_a_trigger_that_never_fires_ends_calm_after_a_round(tmp_path):
    learned = learn(plan(tmp_path, trigger=NEVER, exploration=GENTLE), tmp_path / "out")
    assert learned.calm
    assert learned.reason.startswith("calm")
    assert [r.n_new for r in learned.rounds] == [4, 0]
    assert len(computed(tmp_path)) == 10


def test_calm_may_be_asked_for_twice(tmp_path):
    learned = learn(plan(tmp_path, trigger=NEVER, exploration=GENTLE, stop=Stop(rounds=2)), tmp_path / "out")
    assert learned.calm
    assert len(learned.rounds) == 3


def test_time_is_limited(tmp_path):
    learned = learn(plan(tmp_path, max_minutes=1e-9), tmp_path / "out")
    assert learned.reason.startswith("max_minutes")
    assert len(learned.rounds) == 1


def test_what_failed_is_kept_but_not_labelled(tmp_path):
    learned = learn(plan(tmp_path, trigger=Disagreement(low=1e-9, high=2e-9)), tmp_path / "out")
    assert learned.reason.startswith("stuck")
    failed = stored(tmp_path / "out" / "round-001" / "failed.extxyz")
    assert len(failed) == learned.rounds[1].n_failed == 1
    assert not any(s.has_energy for s in failed)
    assert learned.rounds[1].n_new == 0
    assert len(computed(tmp_path)) == 10


def test_dynamics_that_explode_count_as_failed(tmp_path):
    wild = Exploration([NVT(300.0)], n_runs=1, n_steps=60, timestep_fs=500.0, every=60, closest=0.0)
    learned = learn(plan(tmp_path, trigger=NEVER, exploration=wild), tmp_path / "out")
    assert learned.rounds[1].n_failed == 1
    assert not learned.calm
    assert len(computed(tmp_path)) == 10


def test_atoms_too_close_fail_whatever_the_trigger_says(tmp_path):
    near = Dataset([Structure(tetrahedron(0.4))])
    tight = Exploration([NVT(300.0)], n_runs=1, n_steps=5, every=1, closest=0.6)
    learned = learn(plan(tmp_path, start=near, trigger=NEVER, exploration=tight), tmp_path / "out")
    assert learned.rounds[1].n_failed == 1
    assert learned.rounds[1].largest_unsure == float("inf")


def test_structures_that_cannot_be_labelled_are_told_and_left_out(tmp_path):
    picky = LoggedMorse(str(tmp_path / "log.txt"), highest=-5.9)
    learned = learn(plan(tmp_path, method=picky, test=Source(), max_rounds=1), tmp_path / "out")
    first = learned.rounds[1]
    assert first.n_unlabelled > 0
    assert first.n_new + first.n_unlabelled == 3
    assert len(read(tmp_path / "out" / "train.extxyz")) == learned.rounds[1].n_labels
    assert first.test_force_rmse is None


def test_labels_that_are_there_are_not_computed_again(tmp_path):
    data = Dataset(LoggedMorse(os.devnull).label(a) for a in Shaken(n=6).propose(Dataset([Structure(tetrahedron())])))
    learned = learn(
        plan(tmp_path, initial=Source(data), test=Source(), trigger=NEVER, exploration=GENTLE), tmp_path / "out"
    )
    assert learned.rounds[0].n_labels == 6
    assert not (tmp_path / "log.txt").exists()


def test_nothing_to_begin_with_is_refused(tmp_path):
    with pytest.raises(UserError, match="nothing to begin with"):
        learn(plan(tmp_path, initial=Source()), tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "stop", "calm"),
    [
        ([(0.96, None)], Stop(), True),
        ([(0.94, None)], Stop(), False),
        ([(0.96, 0.2)], Stop(force_rmse=0.1), False),
        ([(0.96, 0.05)], Stop(force_rmse=0.1), True),
        ([(0.96, None)], Stop(force_rmse=0.1), True),
        ([(0.96, None)], Stop(rounds=2), False),
        ([(0.90, None), (0.96, None)], Stop(rounds=2), False),
        ([(0.96, None), (0.96, None)], Stop(rounds=2), True),
        ([], Stop(), False),
    ],
)
def test_the_criterion(rows, stop, calm):
    rounds = [Round(0, 4, 4, 0)]
    rounds += [
        Round(k + 1, 4, 0, 0, accurate_fraction=fraction, candidate_force_rmse=error)
        for k, (fraction, error) in enumerate(rows)
    ]
    assert stop.reached(rounds) == calm
