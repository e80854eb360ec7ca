"""The solid of the examples on a small scale: killed in the middle of learning, started again, nothing done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cambrian import read

EXAMPLE = Path(__file__).parents[2] / "examples" / "solid"
SMALLER = {  # what stands in the files of the example, and what takes its place
    "n=40": "n=12",
    "n=13": "n=5",
    "n=20": "n=4",
    "equilibration_fs=100": "equilibration_fs=20",
    "energy_mae=0.005": "energy_mae=0.5",
    "force_mae=0.1": "force_mae=2.0",
    "two_j_max: 8": "two_j_max: 4",
    "n_steps: 500": "n_steps: 100",
    "low: 0.03": "low: 1.0e-9",  # every frame is a candidate
    "high: 0.3": "high: 1.0e+9",
    "labels_per_round: 30": "labels_per_round: 5",
    "accurate_fraction: 0.9": "accurate_fraction: 0.9, rounds: 3",
    "max_rounds: 6": "max_rounds: 2",
}
LEARN_IS_NOT_CALM = 1
LIMIT = 900  # s


def test_the_small_copy_changes_what_stands_there():
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.yaml"))
    assert [was for was in SMALLER if was not in text] == []


@pytest.mark.slow
def test_killed_in_the_middle_of_learning(tmp_path):
    pytest.importorskip("tblite")
    folder = small(tmp_path / "solid")
    killed = started(folder)
    explored = folder / "learned" / "round-001" / "explore" / "run-01.extxyz"
    begun = time.monotonic()
    while not explored.exists():
        assert killed.poll() is None, killed.communicate()[1]
        assert time.monotonic() - begun < LIMIT
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    before, finished = results(folder), explored.with_name("run-00.extxyz").read_bytes()

    again = started(folder)
    said = again.communicate(timeout=LIMIT)[1]
    assert again.returncode == LEARN_IS_NOT_CALM, said
    assert "phase 6 label: done" in said
    assert "max_rounds: 2 rounds were done" in " ".join(said.split())
    after = results(folder)
    assert {path: after[path] for path in before} == before  # nothing that was there was made again
    assert explored.with_name("run-00.extxyz").read_bytes() == finished
    labels = list((folder / "learned" / "labels").rglob("*.json"))
    assert len(labels) == 10  # five in each round: none twice
    assert len(read(folder / "learned" / "train.extxyz")) == len(read(folder / "data.xyz")) + 10


@pytest.mark.slow
def test_from_the_crystal_to_the_files_of_lammps(tmp_path):
    pytest.importorskip("tblite")
    pytest.importorskip("phonopy")
    folder = small(tmp_path / "solid")
    plain = yaml.safe_load((folder / "learn.yaml").read_text(encoding="utf-8"))
    plain |= {"stop": {"accurate_fraction": 0.5}, "trigger": {"posterior_variance": {"low": 1e8, "high": 1e9}}}
    (folder / "learn.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    workflow = yaml.safe_load((folder / "solid.yaml").read_text(encoding="utf-8"))
    by_method = workflow["phases"][-2]["validate"]
    by_method["arguments"] = ["equation_of_state", "phonons", "learned", "data.xyz"]
    by_method["set"] = [word for word in by_method["set"] if word.startswith(("method", "phonons"))]
    by_method["set"] += ["equation_of_state.volume=1", "equation_of_state.bulk_modulus=10"]
    by_method["set"] += ["phonons.frequency_THz=100", "phonons.imaginary_THz=100"]  # this small a fit may be far off
    (folder / "solid.yaml").write_text(yaml.safe_dump(workflow), encoding="utf-8")

    first = started(folder)
    said = first.communicate(timeout=LIMIT)[1]
    assert first.returncode == 0, said
    assert json.loads((folder / "errors.json").read_text(encoding="utf-8"))["n_structures"] == 8
    found = json.loads((folder / "properties.json").read_text(encoding="utf-8"))
    assert {check["verdict"] for check in found.values()} == {"passed"}
    assert any((folder / "lammps").glob("*.snapcoeff"))

    second = started(folder)
    assert second.communicate(timeout=LIMIT)[1].count(": done") == len(workflow["phases"])


def small(folder: Path) -> Path:
    """A copy of the example with smaller numbers."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("learned", "*.cache", "*.sampling", "*.done.json"))
    for name in ("solid.yaml", "learn.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        for was, now in SMALLER.items():
            text = text.replace(was, now)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def started(folder: Path) -> subprocess.Popen:
    """The example in a process group of its own."""
    command = [sys.executable, "-m", "cambrian.cli", "run", str(folder / "solid.yaml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def results(folder: Path) -> dict[str, int]:
    """When each label, structure file and potential was written, in ns."""
    kinds = ("*.xyz", "*.cache/*/*.json", "learned/labels/*/*.json", "learned/round-*/fit/potential.safetensors")
    kinds += ("learned/round-*/*.extxyz", "learned/round-*/*.json")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for kind in kinds for path in folder.glob(kind)}
