"""A study of symmetry functions: lists of the asked length, resumed, written, and taken by a fit."""

import json

import numpy as np
import pytest
import yaml
from small_data import argon, write_argon
from typer.testing import CliRunner

import cambrian
from cambrian.cli import app
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF
from cambrian.errors import UserError
from cambrian.function_study import FunctionStudy, recommended
from cambrian.math.symmetry_grids import ImbalzanoCentered, ImbalzanoShifted
from cambrian.math.symmetry_sets import Radial, Wide

POOL = [Radial(ImbalzanoShifted(6)), Wide(ImbalzanoCentered(2), zetas=(1, 2))]


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch):
    """No need to wait for exact timings."""
    monkeypatch.setattr("cambrian.function_study.SECONDS", 0.01)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_argon(tmp_path_factory.mktemp("data") / "argon.xyz")


@pytest.fixture(scope="module")
def data(file) -> Dataset:
    return cambrian.read(file)


def study(data, folder, **how) -> FunctionStudy:
    settings = {"methods": ("cur", "random"), "numbers": (2, 5), "cutoffs": (6.0,), "pool": POOL, "repeats": 2} | how
    return FunctionStudy(data, folder=folder, **settings)


def test_rows_of_a_study(data, tmp_path):
    rows = study(data, tmp_path).run()
    assert [(r["method"], r["number"]) for r in rows] == [("cur", 2), ("random", 2), ("cur", 5), ("random", 5)]
    for r in rows:
        assert r["functions"] == {"Ar": r["number"]}
        assert r["cost"] > 0
        assert (r["force_rmse_std"] is None) == (r["method"] == "cur")
    errors = {(r["method"], r["number"]): r["force_rmse"] for r in rows}
    assert errors["cur", 5] < errors["cur", 2]


def test_a_finished_fit_is_not_done_again(data, tmp_path, monkeypatch):
    first = study(data, tmp_path).run()
    monkeypatch.setattr("cambrian.function_study.fit", None)
    assert study(data, tmp_path).run() == first
    with pytest.raises(TypeError):
        study(data, tmp_path, held_out=0.3).run()


def test_functions_that_hardly_vary_are_left_out(data, tmp_path):
    some = study(data, tmp_path, numbers=(14,), methods=("cur",), least_range=1e-4)
    none = study(data, tmp_path, numbers=(14,), methods=("cur",), least_range=1e9)
    n = len(some.chosen(next(some.trials()))["Ar"])
    descriptor = ACSF(cutoff=6.0, functions=POOL, envelope=some._envelope(6.0))
    descriptor.setup(data)
    values = np.concatenate([descriptor.features(g).numpy() for g in some.parts[0].graphs(6.0)])
    assert n == (np.ptp(values, axis=0) >= 1e-4).sum() <= 14
    with pytest.raises(UserError, match="no function of the pool varies"):
        none.chosen(next(none.trials()))


def test_wrong_questions(data, tmp_path):
    with pytest.raises(UserError, match="choose among cur"):
        study(data, tmp_path, methods=("curr",))
    with pytest.raises(UserError, match="1 or more"):
        study(data, tmp_path, numbers=(0,))
    with pytest.raises(UserError, match="5 structures"):
        study(Dataset([Structure(a) for a in argon(3)]), tmp_path)


def test_the_recommended_list_is_the_cheapest_near_the_best():
    def made(method, error, cost):
        return {"method": method, "table": {}, "force_rmse": error, "energy_rmse": error, "cost": cost}

    rows = [made("cur", 1.0, 9.0), made("farthest_point", 1.04, 5.0), made("cur", 1.2, 1.0), made("random", 0.9, 1.0)]
    assert recommended(rows) is rows[1]


def test_the_command_writes_lists_that_a_fit_takes(file, tmp_path):
    def run(*words, code=0):
        done = CliRunner().invoke(app, [str(w) for w in words])
        assert done.exit_code == code, done.stderr
        return done

    pool = tmp_path / "pool.yaml"
    pool.write_text(
        "- Radial: {grid: {ImbalzanoShifted: {n: 5}}}\n- Wide: {grid: {ImbalzanoCentered: {n: 2}}, zetas: [1]}\n"
    )
    quick = ("--set", "solver.epochs=2", "--set", "hidden=[4]")
    command = ("choose-functions", file, "-n", "3", "--method", "cur", "--cutoffs", "5,6", "--pool", pool)
    said = run(*command, "--recipe", "hdnnp", *quick, "-o", tmp_path / "chosen").stdout
    assert "The recipe's own at 5" in said
    for name in ("functions.yaml", "study.csv", "study.json", "study.png", "study.svg", "report.html"):
        assert (tmp_path / "chosen" / name).stat().st_size > 0
    assert {p.name for p in (tmp_path / "chosen" / "functions").iterdir()} == {"cur-3-5.yaml", "cur-3-6.yaml"}
    rows = json.loads((tmp_path / "chosen" / "study.json").read_text())
    assert {(r["method"], r["cutoff"]) for r in rows} == {(m, c) for m in ("cur", "recipe") for c in (5.0, 6.0)}
    chosen = tmp_path / "chosen" / "functions.yaml"
    run("fit", "hdnnp", file, "--set", f"functions={chosen}", *quick, "-o", tmp_path / "fit")
    (descriptor,) = [
        t.descriptor
        for t in cambrian.load(tmp_path / "fit" / "potential.safetensors").terms()
        if hasattr(t, "descriptor")
    ]
    assert len(descriptor.functions_of(18)) == 3
    kept = yaml.safe_load((tmp_path / "fit" / "recipe.yaml").read_text())["parameters"]["functions"]
    assert kept == yaml.safe_load(chosen.read_text()), "the recipe of the fit holds the list itself"
    assert "takes no list" in run("choose-functions", file, "--recipe", "snap", "-o", tmp_path / "no", code=2).stderr
