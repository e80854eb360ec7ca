"""`cambrian fit --set start=POTENTIAL`: old and new errors side by side, and a recipe file that repeats it."""

import json

import pytest
from small_data import write_argon

from cambrian.data import read


def test_the_command_goes_on_and_tells_old_and_new_errors(run, tmp_path):
    old, new = write_argon(tmp_path / "old.xyz", 10), write_argon(tmp_path / "new.xyz", 10, seed=4, spread=0.3)
    run("fit", "snap", old, "-o", tmp_path / "old", "--set", "two_j_max=2", "--set", "cutoff=4.5")
    start = tmp_path / "old" / "potential.safetensors"
    go_on = ("--set", f"start={start}", "--set", f"replay={old}", "--test-fraction", "0.3", "-o")
    result = run("fit", "snap", new, *go_on, tmp_path / "new")
    for words in ("new data, start", "new data, now", "old data, start", "old data, now"):
        assert words in result.stdout
        assert words in (tmp_path / "new" / "report.html").read_text()
    metrics = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert metrics["start"]["new"]["after"] == metrics["test"]
    assert metrics["start"]["old"]["before"]["n_structures"] == 10
    before = json.loads((tmp_path / "old" / "metrics.json").read_text())["train"]
    assert metrics["start"]["old"]["before"]["force_rmse"] == pytest.approx(before["force_rmse"], rel=1e-9)
    assert metrics["train"]["n_structures"] == 7 + len(read(old))
    again = run("fit", tmp_path / "new" / "recipe.yaml", new, "--test-fraction", "0.3", "-o", tmp_path / "again")
    assert "old data, now" in again.stdout
    assert (tmp_path / "again" / "recipe.yaml").read_text() == (tmp_path / "new" / "recipe.yaml").read_text()


def test_the_starter_names_its_own_file(run, argon, tmp_path):
    run("init", argon, "-o", tmp_path / "mine.yaml")
    words = " ".join((tmp_path / "mine.yaml").read_text().replace("#", "").split())
    assert f"cambrian fit {tmp_path / 'mine.yaml'}" in words
