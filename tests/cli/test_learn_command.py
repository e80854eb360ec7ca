"""`cambrian learn` and `cambrian fit --committee`: files, words, refusals, and that a killed process loses nothing."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from small_learning import tetrahedron

from cambrian.contracts import Committee, header_of, load

OWN = Path(__file__).parents[1] / "small_learning.py"
CLASSES = [word for name in ("LoggedMorse", "Shaken", "Drawn", "Disagreement") for word in ("--own", f"{OWN}:{name}")]


def workflow(folder: Path, **changes) -> Path:
    """A workflow that is done in a moment."""
    folder.mkdir(exist_ok=True)
    tetrahedron().write(folder / "start.xyz")
    content = {
        "start": "start.xyz",
        "method": {"LoggedMorse": {"log": str(folder / "log.txt")}},
        "initial": {"samplers": [{"Shaken": {"n": 4, "width": 0.02}}]},
        "test": {"samplers": [{"Shaken": {"n": 6, "width": 0.1}}]},
        "recipe": f"{OWN}:shells",
        "committee": {"members": 2},
        "exploration": {
            "ensembles": [{"NVT": {"temperature_K": 1200}}],
            "n_runs": 1,
            "n_steps": 40,
            "timestep_fs": 8.0,
            "every": 5,
        },
        "trigger": {"Disagreement": {"low": 1e-12, "high": 1e6}},
        "selector": "Drawn",
        "labels_per_round": 3,
        "max_rounds": 2,
        "workers": 0,
    }
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def same(first: Path, second: Path) -> bool:
    a, b = (load_file(folder / "potential.safetensors") for folder in (first, second))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory) -> Path:
    """Learning without an interruption; it ends at max_rounds, with code 1."""
    folder = tmp_path_factory.mktemp("whole")
    run("learn", workflow(folder), "-o", folder / "out", *CLASSES, code=1)
    return folder / "out"


def test_writes_every_file(whole):
    names = {path.name for path in whole.iterdir()}
    assert names >= {
        *("potential.safetensors", "train.extxyz", "rounds.csv", "report.html", "workflow.yaml"),
        *("labels", "test", "round-000", "round-001", "round-002"),
    }
    rows = list(csv.DictReader((whole / "rounds.csv").read_text().splitlines()))
    assert [row["n_labels"] for row in rows] == ["4", "7", "10"]
    assert {"report.html", "metrics.json", "recipe.yaml"} <= {p.name for p in (whole / "round-002" / "fit").iterdir()}
    assert isinstance(load(whole / "potential.safetensors"), Committee)


def test_the_report_tells_why_it_ended_and_every_round(whole):
    page = (whole / "report.html").read_text()
    assert "max_rounds: 2 rounds were done" in page
    for title in ("Verdict", "Errors", "Active learning", "Data"):
        assert f"<h2>{title}</h2>" in page
    assert "accurate, %" in page


def test_finished_learning_is_shown_again(whole, run):
    result = run("learn", whole.parent / "workflow.yaml", "-o", whole, *CLASSES, code=1)
    assert "force RMSE, meV/Å" in result.stdout
    assert "round 2" in result.stderr


def test_another_workflow_does_not_mix_in(whole, run, tmp_path):
    other = workflow(whole.parent / "other", labels_per_round=2)
    words = run.refuses("learn", other, "-o", whole, *CLASSES)
    assert "choose another -o" in words
    more_time = workflow(
        whole.parent / "other", max_minutes=10, method={"LoggedMorse": {"log": str(whole.parent / "log.txt")}}
    )
    run("learn", more_time, "-o", whole, *CLASSES, code=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"triger": {}}, "did you mean 'trigger'?"),
        ({"trigger": {"comittee_disagreement": {}}}, "did you mean 'committee_disagreement'?"),
        ({"trigger": {"Disagreement": {"lo": 1}}}, "there is no 'lo'"),
        ({"trigger": {"committee_disagreement": {"low": 2, "high": 1}}}, "0 < low < high"),
        ({"exploration": {"steps": 5}}, "did you mean 'n_steps'?"),
        ({"exploration": {"ensembles": [{"NVTT": {}}]}}, "did you mean 'NVT'?"),
        ({"stop": {"accurate_fraction": 95}}, "accurate_fraction <= 1"),
        ({"committee": 4}, "takes named values"),
        ({"initial": {"sampler": []}}, "did you mean 'samplers'?"),
        ({"labels_per_round": 0.5}, "whole number from 1"),
        ({"method": None}, "'method' is missing"),
        ({"start": "nowhere.xyz"}, "nowhere.xyz"),
        ({"method": "Drawn"}, "there is no labeller 'Drawn'"),
        ({"recipe": "hdnp"}, "did you mean 'hdnnp'?"),
        ({"recipe": "mlotf", "parameters": {}}, "forces without an energy"),
    ],
)
def test_mistakes_are_told_with_the_mend(changes, words, run, tmp_path):
    assert words in run.refuses("learn", workflow(tmp_path, **changes), "-o", tmp_path / "out", *CLASSES)


def test_other_structures_in_the_same_folder_are_refused(run, tmp_path):
    file = workflow(tmp_path, max_rounds=0)
    run("learn", file, "-o", tmp_path / "out", *CLASSES, code=1)
    tetrahedron(stretch=1.01).write(tmp_path / "start.xyz")
    assert "other structures ('start' differs)" in run.refuses("learn", file, "-o", tmp_path / "out", *CLASSES)


@pytest.mark.parametrize("damage", ["{", "[1]"])
def test_a_damaged_record_of_the_structures_is_told(damage, run, tmp_path):
    file = workflow(tmp_path, max_rounds=0)
    run("learn", file, "-o", tmp_path / "out", *CLASSES, code=1)
    (tmp_path / "out" / "structures.json").write_text(damage)
    assert "structures.json is damaged" in run.refuses("learn", file, "-o", tmp_path / "out", *CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["sample:6", "label:8", "fit:1004", "explore:6", "select:4", "label:12", "fit:1007"])
def test_a_killed_process_loses_nothing(moment, whole, tmp_path):
    command = [sys.executable, "-m", "cambrian.cli", "learn", workflow(tmp_path), "-o", tmp_path / "out", *CLASSES]
    killed = subprocess.run(command, env=os.environ | {"KILL": moment}, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "out" / "potential.safetensors").exists()
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "max_rounds: 2 rounds were done" in ended.stderr, ended.stderr
    assert same(tmp_path / "out", whole)
    computed = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(computed) == sorted(set((whole.parent / "log.txt").read_text().splitlines()))


def test_a_committee_by_fit(run, argon, tmp_path):
    from small_recipe import CLASS, RECIPE

    result = run("fit", RECIPE, argon, "--test-fraction", "0.25", "--committee", "3", "-o", tmp_path / "fit")
    assert "times the members' spread" in " ".join(result.stderr.split())
    header = header_of(tmp_path / "fit" / "potential.safetensors")
    assert len(header["potential"]["Committee"]["members"]) == 3
    metrics = json.loads((tmp_path / "fit" / "metrics.json").read_text())
    file = tmp_path / "errors.json"
    test = ["validate", "errors", tmp_path / "fit" / "potential.safetensors", argon, "--json", file, "--own", CLASS]
    run(*test)
    both = [metrics["train"], metrics["test"]]
    mean = sum(p["energy_mae"] * p["n_structures"] for p in both) / sum(p["n_structures"] for p in both)
    assert json.loads(file.read_text())["energy_mae"] == pytest.approx(mean, rel=1e-9)
    assert "rank correlation" in (tmp_path / "fit" / "report.html").read_text()


def test_an_interrupted_committee_is_taken_up(run, interrupt, argon, descent, tmp_path):
    arguments = ["fit", descent, argon, "--committee", "2", "--set", "committee.resampling=none", "-o"]
    run(*arguments, tmp_path / "whole")
    interrupt("training", 0.7, *arguments, tmp_path / "cut")
    assert (tmp_path / "cut" / "members" / "0" / "potential.safetensors").exists()
    run(*arguments, tmp_path / "cut")
    assert same(tmp_path / "cut", tmp_path / "whole")


def test_wrong_committees_are_refused(run, argon, tmp_path):
    from small_recipe import RECIPE

    fit = ["fit", RECIPE, argon, "-o", tmp_path / "fit"]
    assert "--committee 4" in run.refuses(*fit, "--set", "committee.resampling=none")
    assert "came out alike" in run.refuses(*fit, "--committee", "2", "--set", "committee.resampling=none")
    assert "did you mean 'resampling'?" in run.refuses(*fit, "--committee", "2", "--set", "committee.resamplin=none")
