"""`cambrian fit`: the files it writes, the settings it takes, and that an interruption changes nothing."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_recipe import CLASS, RECIPE, write_descent

import cambrian

HERE = Path(__file__).parent
FIGURES = {
    "energy_mae", "energy_rmse", "force_mae", "force_rmse", "force_max", "stress_mae", "stress_rmse", "n_structures",
    "groups",
}  # fmt: skip


def same_tensors(first: Path, second: Path) -> bool:
    a, b = (load_file(folder / "potential.safetensors") for folder in (first, second))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_writes_every_file(fitted):
    names = {path.name for path in fitted.iterdir()}
    files = {"potential.safetensors", "metrics.json", "recipe.yaml", "report.html", "report.json"}
    assert names == files  # no epochs, no history


def test_metrics_have_their_public_names(fitted, run, argon, tmp_path):
    metrics = json.loads((fitted / "metrics.json").read_text())
    facts = {"fit_seconds", "n_parameters", "seed", "data_hash", "versions"}
    assert set(metrics) == {"train", "validation", "test"} | facts
    assert metrics["validation"] is None
    assert set(metrics["test"]) == FIGURES
    assert set(metrics["test"]["groups"]) == {"hot", "bulk"}
    assert metrics["train"]["n_structures"] == 18
    assert metrics["test"]["n_structures"] == 6
    run("fit", RECIPE, argon, "-o", tmp_path / "all")
    assert json.loads((tmp_path / "all" / "metrics.json").read_text())["test"] is None


def test_the_errors_are_those_of_the_saved_potential(fitted, argon, run, tmp_path):
    file = tmp_path / "errors.json"
    run("validate", "errors", fitted / "potential.safetensors", argon, "--json", file, "--own", CLASS)
    written = json.loads(file.read_text())
    assert set(written) >= FIGURES, "the public names, and more detail beside them"
    metrics = json.loads((fitted / "metrics.json").read_text())
    parts = [metrics["train"], metrics["test"]]
    mean = sum(p["energy_mae"] * p["n_structures"] for p in parts) / sum(p["n_structures"] for p in parts)
    assert written["energy_mae"] == pytest.approx(mean, rel=1e-9)


def test_effective_recipe_gives_the_same_fit(fitted, run, argon, tmp_path):
    run("fit", fitted / "recipe.yaml", argon, "--test-fraction", "0.25", "-o", tmp_path / "again")
    assert same_tensors(fitted, tmp_path / "again")
    assert (fitted / "recipe.yaml").read_text() == (tmp_path / "again" / "recipe.yaml").read_text()


def test_settings_reach_the_objects(run, argon, tmp_path):
    run("fit", RECIPE, argon, "-o", tmp_path / "fit", "--set", "cutoff=5", "--set", "solver.ridge=1e-8", "--seed", "3")
    text = (tmp_path / "fit" / "recipe.yaml").read_text()
    assert "cutoff: 5\n" in text
    assert "ridge: 1.0e-08" in text
    assert "seed: 3" in text
    assert cambrian.load(tmp_path / "fit" / "potential.safetensors").cutoff == 5.0


def test_the_training_set_as_test_set_is_noticed(run, argon, tmp_path):
    result = run("fit", RECIPE, argon, "--test", argon, "-o", tmp_path / "fit")
    words = "24 of 24 test structures also stand in the training data"
    assert words in " ".join(result.stderr.split())
    assert words in (tmp_path / "fit" / "report.html").read_text()
    metrics = json.loads((tmp_path / "fit" / "metrics.json").read_text())
    assert metrics["test"]["energy_mae"] == pytest.approx(metrics["train"]["energy_mae"])


def test_history_of_gradient_descent(run, argon, descent, tmp_path):
    run("fit", descent, argon, "-o", tmp_path / "fit", "--set", "solver.epochs=3")
    rows = list(csv.DictReader((tmp_path / "fit" / "history.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[-1]["validation_loss"]) > 0
    assert not (tmp_path / "fit" / "checkpoint.safetensors").exists()


@pytest.fixture(scope="module")
def whole(run, argon, tmp_path_factory) -> Path:
    """The fit of `descent` without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run("fit", write_descent(folder / "descent.yaml"), argon, "--test-fraction", "0.25", "-o", folder / "fit")
    return folder / "fit"


@pytest.mark.parametrize(("stage", "fraction"), [("features", 0.5), ("training", 0.4), ("errors", 0.1)])
def test_interrupted_and_resumed_is_the_same_to_the_bit(
    stage, fraction, run, interrupt, argon, descent, whole, tmp_path
):
    arguments = ["fit", descent, argon, "--test-fraction", "0.25", "-o", tmp_path / "fit"]
    assert "the same command takes the fit up again" in interrupt(stage, fraction, *arguments)
    assert not (tmp_path / "fit" / "potential.safetensors").exists()
    assert (tmp_path / "fit" / "checkpoint.safetensors").exists() == (stage != "features")
    run(*arguments)
    assert same_tensors(tmp_path / "fit", whole)


def test_a_process_stopped_by_a_signal_resumes_too(run, argon, descent, whole, tmp_path):
    arguments = ["fit", descent, argon, "--test-fraction", "0.25", "-o", tmp_path / "fit"]
    script = [sys.executable, HERE / "interrupting.py", "training", "0.6", *arguments]
    stopped = subprocess.run([str(word) for word in script], capture_output=True, text=True)
    assert stopped.returncode == 130, stopped.stderr
    assert "the same command takes the fit up again" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    run(*arguments)
    assert same_tensors(tmp_path / "fit", whole)


def test_least_squares_interrupted_while_rows_are_made(run, interrupt, argon, fitted, tmp_path):
    arguments = ["fit", RECIPE, argon, "--test-fraction", "0.25", "-o", tmp_path / "fit"]
    interrupt("rows", 0.5, *arguments)
    assert not (tmp_path / "fit").exists()
    run(*arguments)
    assert same_tensors(tmp_path / "fit", fitted)
