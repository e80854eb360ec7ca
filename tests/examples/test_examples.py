"""The examples run as a stranger starts them, on a small scale."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"


def imported(name: str):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = example
    spec.loader.exec_module(example)
    return example


@pytest.mark.slow
def test_the_demo_runs_and_is_taken_up_again(tmp_path):
    pytest.importorskip("tblite")
    small = ["--structures", "20", "--features", "200", "--minutes", "0.02", "--steps", "200"]
    command = [sys.executable, str(EXAMPLES / "demo.py"), "-o", str(tmp_path / "demo"), *small]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for _ in range(2):  # the second start finds what the first one did
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    learned = tmp_path / "demo" / "learned"
    checks = json.loads((learned / "potential.validation.json").read_text())["checks"]
    assert set(checks) == {"errors", "calibration", "nve_drift", "survival", "vibrations"}
    assert checks["errors"]["figures"]["n_structures"] == 10
    report = (learned / "report.html").read_text()
    for title in ("Verdict", "Worst structures", "NVE drift", "Active learning", "Accuracy and cost", "Cost"):
        assert f"<h2>{title}</h2>" in report


def test_attacks_in_the_plane_lie_at_the_rim_and_open_the_barrier(tmp_path):
    example = imported("adversarial_double_well")
    done = example.rounds(3, seed=2)
    first, last = done[0], done[-1]
    assert first.known[:, 0].min() > 0.3  # nothing of the barrier, nor of the other well
    spread = {name: first.ensemble.at(getattr(first, name)).force_variance.sqrt() for name in ("known", "attacked")}
    assert spread["attacked"].median() > 5 * spread["known"].median()
    among = torch.cdist(first.known, first.known).fill_diagonal_(torch.inf).min(dim=1).values
    away = torch.cdist(first.attacked, first.known).min(dim=1).values
    assert away.median() > 2 * among.median()  # outside of what is known,
    assert away.median() < 0.5  # yet at its rim: the wells are 2 apart
    energy = {name: example.truth(getattr(first, name))[0].mean() for name in ("attacked", "unsure")}
    assert energy["attacked"] < energy["unsure"] - 3
    assert last.barrier_error < first.barrier_error / 3
    example.draw(done, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_polynomials_learn_one_molecule_and_refuse_two(tmp_path):
    pytest.importorskip("tblite")
    example = imported("first_generation")
    found = example.study(12, 1, degrees=(2, 4))
    (few, coarse), (many, fine) = found["polynomials"].values()
    assert (few, many) == (7, 22)
    assert fine < coarse < found["spread"][1]
    assert "knows H2O alone" in found["refusal"]
    assert [found["sizes"][k][4] for k in (1, 2, 3)] == [22, 194, 327]
    example.draw(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
