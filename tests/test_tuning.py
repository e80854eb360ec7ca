"""Tuning: planted hyperparameters are found, a search is resumed trial by trial, and mistakes are said."""

import json

import pytest
from small_data import argon

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.configuration import Setting
from cambrian.contracts import DescriptorPotential, evaluate
from cambrian.data import Dataset, Structure
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor
from cambrian.tuning import Tuning, Variable

CUTOFF = 4.3
SMALL = [Setting.parse("two_j_max=2"), Setting.parse("repulsion=null")]


@pytest.fixture(scope="module")
def planted() -> Dataset:
    """Argon labelled by a SNAP potential of a cutoff that the search does not know."""
    atoms = argon(10, size=1, spread=0.2)
    for a in atoms:
        a.calc = None
    truth = IsolatedAtoms({"Ar": 0.0}) + DescriptorPotential(
        SO4Bispectrum(cutoff=CUTOFF, two_j_max=2), LinearRegressor()
    )
    labelled = Dataset(
        Structure(a, energy=float(k % 3), forces=0.1 * a.positions - 0.1 * a.positions.mean(axis=0))
        for k, a in enumerate(atoms)
    )
    fit(truth, labelled, LeastSquares())  # any coefficients will do
    predictions = [evaluate(truth, graph_of(a, CUTOFF)) for a in atoms]
    return Dataset(
        Structure(a, energy=float(p.energy[0]), forces=p.forces.numpy(), frame=k)
        for k, (a, p) in enumerate(zip(atoms, predictions, strict=True))
    )


def study(data: Dataset, folder, *over: str, **more) -> Tuning:
    settings = [*SMALL, Setting.parse("solver.stress_weight=0")]
    return Tuning("snap", [Variable.parse(o) for o in over], data[:7], data[7:], folder, settings=settings, **more)


def test_a_planted_cutoff_is_found(planted, tmp_path):
    search = study(planted, tmp_path, "cutoff:3.9:5.1", n_trials=18)
    trials = search.run()
    assert search.best.values["cutoff"] == pytest.approx(CUTOFF, abs=0.01)
    assert search.best.objective < 0.1 * trials[0].objective
    assert all(3.9 <= t.values["cutoff"] <= 5.1 for t in trials)


def test_a_search_goes_on_where_it_was_interrupted(planted, tmp_path, monkeypatch):
    whole = study(planted, tmp_path / "a", "cutoff:3.9:5.1", n_trials=6)
    parts = study(planted, tmp_path / "b", "cutoff:3.9:5.1", n_trials=3)
    for folder in "ab":
        (tmp_path / folder).mkdir()
    whole.run()
    parts.run()
    lines = (tmp_path / "b" / "trials.jsonl").read_text()
    assert len(lines.splitlines()) == 1 + 3
    (tmp_path / "b" / "trials.jsonl").write_text(lines + '{"values": {"cut')  # half a line, as a crash leaves it
    more = study(planted, tmp_path / "b", "cutoff:3.9:5.1", n_trials=6)
    fitted = []
    monkeypatch.setattr(more, "_fitted", lambda values, f=more._fitted: fitted.append(values) or f(values))
    more.run()
    assert len(fitted) == 3
    assert [t.values for t in more.trials] == [t.values for t in whole.trials]
    assert [t.objective for t in more.trials] == [t.objective for t in whole.trials]
    first, *rest = (tmp_path / "b" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["values"] for line in rest] == [t.values for t in whole.trials]
    with pytest.raises(UserError, match="another study"):
        study(planted, tmp_path / "b", "cutoff:4:5").run()


def test_choices_by_optuna(planted, tmp_path):
    pytest.importorskip("optuna")
    search = study(planted, tmp_path, "two_j_max:0,2", "cutoff:3.9:5.1", n_trials=8)
    trials = search.run()
    assert len(trials) == 8
    assert search.best.values["two_j_max"] == 2
    again = study(planted, tmp_path, "two_j_max:0,2", "cutoff:3.9:5.1", n_trials=8)
    again._fitted = None  # nothing is fitted anew
    assert [t.values for t in again.run()] == [t.values for t in trials]


def test_variables_are_written_in_one_of_two_ways():
    assert Variable.parse("radii.Cu:0.3:0.7").bounds == (0.3, 0.7)
    assert Variable.parse("two_j_max:4,6").choices == (4, 6)
    for wrong in ("cutoff", "cutoff:4", "cutoff:6:4", "cutoff:a:b", ":1:2"):
        with pytest.raises(UserError, match="NAME:LOW:HIGH"):
            Variable.parse(wrong)


def test_what_stands_in_the_recipe_is_where_it_begins(planted, tmp_path):
    search = study(planted, tmp_path, "solver.energy_weight:100:300")
    assert search.present("solver.energy_weight") == 200
    assert search.present("radii.Cu") is None
    assert Variable.parse("cutoff:4:6").unit(5.0) == 0.5
    assert Variable.parse("cutoff:4:6").unit(None) == 0.5
    with pytest.raises(UserError, match="no 'cutof'"):
        study(planted, tmp_path / "c", "cutof:4:5").recipe_with({"cutof": 4.0})
