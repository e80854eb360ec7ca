"""`cambrian compare`: its files, its refusals, and an interruption."""

import json

import pytest
from small_data import write_argon

SMALL = ("--set", "snap.two_j_max=0", "--set", "snap.cutoff=4", "--set", "lj.cutoff=6", "--set", "lj.solver.starts=1")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_argon(tmp_path_factory.mktemp("data") / "argon.xyz", 16, size=1)


def test_table_files_and_recommendation(run, data, tmp_path):
    folder = tmp_path / "compared"
    arguments = ("compare", data, "--recipes", "snap,lj", "--test-fraction", "0.25", "--portions", "1", *SMALL)
    result = run(*arguments, "-o", folder)
    assert "Take lj (force RMSE" in result.stdout
    assert {p.name for p in folder.iterdir()} == {"compare.json", "compare.csv", "compare.html", "fits"}
    content = json.loads((folder / "compare.json").read_text())
    assert content["recommended"] == "lj"
    assert content["splits"] == [{"n_train": 12, "n_test": 4}]
    metrics = json.loads((folder / "fits" / "lj" / "all" / "metrics.json").read_text())
    assert content["rows"][1]["errors"]["force_rmse"] == metrics["test"]["force_rmse"]


def test_interrupted_it_goes_on(run, interrupt, data, tmp_path):
    arguments = ("compare", data, "--recipes", "snap", "--folds", "2", "--split-by", "group", *SMALL[:4])
    said = interrupt("snap fold-2", 0.1, *arguments, "-o", tmp_path / "out")
    assert "the same command goes on" in said
    kept = tmp_path / "out" / "fits" / "snap" / "fold-1" / "trial.json"
    before = kept.stat().st_mtime_ns
    result = run(*arguments, "-o", tmp_path / "out")
    assert kept.stat().st_mtime_ns == before
    assert "±" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recipes", "snapp"), "there is no recipe 'snapp'"),
        (("--recipes", "snap", "--set", "lj.cutoff=5"), "begin with one of snap"),
        (("--recipes", "snap", "--set", "snap.cutof=5"), "did you mean 'cutoff'"),
        (("--recipes", "snap", "--folds", "3", "--test-fraction", "0.2"), "exclude each other"),
        (("--recipes", "snap", "--portions", "half"), "--portions takes numbers"),
        (("--recipes", "snap", "--folds", "3", "--split-by", "group"), "folds need a number between 2 and 2"),
    ],
)
def test_refuses(run, data, tmp_path, words, said):
    assert said in run.refuses("compare", data, *words, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_fitted_the_code_is_1(run, data, tmp_path):
    odd = ("--recipes", "lj", "--set", "lj.solver=LeastSquares", "--portions", "1")
    result = run("compare", data, *odd, "-o", tmp_path / "out", code=1)
    assert "lj could not be compared" in result.stderr
    assert "is not linear" in (tmp_path / "out" / "compare.html").read_text()
