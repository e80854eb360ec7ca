"""Spoiled files of deployed potentials are refused with a sentence, or run: thousands of them, none crashes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from native.test_deployed import RECIPES, labelled, made

from cambrian.contracts import Committee, DescriptorPotential
from cambrian.contracts.grade import keep_active_set
from cambrian.deploy.compiled import write_compiled
from cambrian.native.library import _path, available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent
CASES = 4000


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """A file of every recipe, one with a grade, one of a committee."""
    folder = tmp_path_factory.mktemp("deployed")
    found = [write_compiled(made(name), folder / f"{k}.cambrian") for k, name in enumerate(RECIPES)]
    graded = made("qsnap")
    keep_active_set(next(t for t in graded.terms() if isinstance(t, DescriptorPotential)), labelled())
    committee = Committee([made("snap", seed) for seed in range(2)])
    committee.setup(labelled())
    return [*found, *(write_compiled(p, folder / f"{k}.cambrian") for k, p in (("grade", graded), ("two", committee)))]


def spoil(library: Path, n: int, files: list[Path], **environment: str) -> dict[str, int]:
    command = [sys.executable, str(TESTS / "compiled_fuzz.py"), str(library), str(n), *map(str, files)]
    variables = os.environ | {"OMP_NUM_THREADS": "2"} | environment
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return json.loads(done.stdout)


def test_thousands_of_spoiled_files(files):
    found = spoil(_path(), CASES, files)
    assert found["raw"] + found["deep"] >= 0.95 * CASES
    assert 0 < found["opened"] < 0.5 * found["deep"]
