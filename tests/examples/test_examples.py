"""The examples run as a stranger starts them, on a small scale."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_runs_and_is_taken_up_again(tmp_path):
    pytest.importorskip("tblite")
    small = ["--steps", "800", "--nve-steps", "200", "--set", "solver.epochs=3"]
    command = [sys.executable, str(EXAMPLES / "demo.py"), "-o", str(tmp_path / "demo"), *small]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for _ in range(2):  # the second start finds the trajectories and the labels of the first
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    assert metrics["test"]["n_structures"] > 0
    assert metrics["test"]["force_mae"] < 0.5  # three epochs are enough for this much
    assert (tmp_path / "demo" / "potential.safetensors").is_file()
    assert "NVE drift" in (tmp_path / "demo" / "report.html").read_text()
