"""Spoiled files of deployed potentials are refused with a sentence, or run: thousands of them, none crashes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native.test_deployed import RECIPES, labelled, made
from networks.test_pace import potential as pace

from cambrian.contracts import Committee, DescriptorPotential
from cambrian.contracts.grade import keep_active_set
from cambrian.deploy.compiled import write_compiled
from cambrian.native.library import _path, available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent
CASES = 2000


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """A file of every recipe, one with a grade, one of a committee, one with embeddings."""
    folder = tmp_path_factory.mktemp("deployed")
    found = [write_compiled(made(name), folder / f"{k}.cambrian") for k, name in enumerate(RECIPES)]
    graded = made("qsnap")
    keep_active_set(next(t for t in graded.terms() if isinstance(t, DescriptorPotential)), labelled())
    committee = Committee([made("snap", seed) for seed in range(2)])
    committee.setup(labelled())
    others = {"grade": graded, "two": committee, "embedded": pace()}
    return [*found, *(write_compiled(p, folder / f"{k}.cambrian") for k, p in others.items())]


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


@pytest.mark.slow
def test_spoiled_files_under_sanitizers(files, tmp_path):
    """The same with a library that stops at any wrong address, overflow of a signed number or bad conversion."""
    compiler = shutil.which("g++")
    if not compiler or not shutil.which("cmake"):
        pytest.skip("no compiler or no cmake")
    checks = "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -g1 -O1"
    configure = ["cmake", "-S", str(SOURCE), "-B", str(tmp_path / "build"), f"-DCMAKE_CXX_COMPILER={compiler}"]
    configure += ["-DCMAKE_BUILD_TYPE=None", "-Dhas_v3=0", "-Dhas_v4=0"]  # one instruction set stands for all
    configure += [f"-DCMAKE_CXX_FLAGS={checks}", f"-DCAMBRIAN_NATIVE_OUTPUT={tmp_path / 'lib'}"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path / "build")], check=True, capture_output=True)
    asked = [compiler, "-print-file-name=libasan.so", "-print-file-name=libstdc++.so.6"]
    where = [
        subprocess.run([asked[0], a], check=True, capture_output=True, text=True).stdout.strip() for a in asked[1:]
    ]
    watched = {"LD_PRELOAD": " ".join(where), "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    found = spoil(tmp_path / "lib" / _path().name, CASES, files, **watched)
    assert found["raw"] + found["deep"] >= 0.95 * CASES
