"""`cambrian label`: from structures to a labelled file, through failures, interruptions and kill -9."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

import cambrian
from cambrian import read

OWN = f"{Path(__file__).parents[1] / 'label' / 'appending.py'}:Appending"
N = 6


def chain(n):
    return Atoms(f"H{n}", [[1.1 * k, 0, 0] for k in range(n)])


@pytest.fixture
def chains(tmp_path):
    write(tmp_path / "chains.xyz", [chain(n) for n in range(2, N + 2)], format="extxyz")
    return tmp_path / "chains.xyz"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def ended(log):
    """How often each computation was finished."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(line.split()[1] for line in lines if line.startswith("end"))


def test_labels_failures_and_resumption(run, tmp_path, chains, log):
    out = tmp_path / "out.extxyz"
    write(tmp_path / "lone.xyz", [chain(8), Atoms("H")], format="extxyz")
    command = ("label", OWN, chains, tmp_path / "lone.xyz", "--set", f"log={log}", "--set", "seconds=0", "-o", out)
    result = run(*command, "--workers", "0")
    assert f"{N + 1} of {N + 2} structures labelled at appending" in result.stdout
    said = " ".join(result.stderr.split())
    assert "lone.xyz, frame 1: a lone atom is too sad; give it company" in said
    assert f"1 of {N + 2} structures failed" in said
    data = read(out)
    assert [s.energy for s in data] == [-float(n) for n in (*range(2, N + 2), 8)]
    assert {s.level for s in data} == {"appending"}
    assert (tmp_path / "out.cache").is_dir()
    again = run(*command, "--workers", "0")
    assert f"{N + 1} of them known before" in again.stdout
    assert set(ended(log).values()) == {1}


def test_refusals(run, tmp_path, chains):
    out = ("-o", tmp_path / "out.extxyz")
    write(tmp_path / "one.xyz", [Atoms("H")], format="extxyz")
    lone = run.refuses("label", OWN, tmp_path / "one.xyz", "--set", "log=/dev/null", *out, "--workers", "0")
    assert "nothing could be labelled" in lone
    assert not (tmp_path / "out.extxyz").exists()
    for arguments, words in [
        (("tblit", chains, *out), "no labeller 'tblit'; did you mean 'tblite'?"),
        (("tblite", chains), "with -o FILE"),
        (("tblite", chains, "-o", chains), "is one of the files to label"),
        (("ase", chains, *out), "ase needs name: give it with --set name=..."),
        (("ase", chains, "--set", "name=emtt", *out), "did you mean 'emt'"),
        (("tblite", chains, "--set", "methd=GFN1-xTB", *out), "did you mean 'method'"),
        (("tblite", chains, "--write", tmp_path / "w"), "--write and --collect are for those that work by files"),
        (("tblite", chains, "--resource", "cores=2", *out), "--executor"),
        (("tblite", chains, "--executor", "slurmm", *out), "did you mean 'slurm'"),
        (("tblite", chains, "--executor", "nowhere:Class", *out), "no executor nowhere:Class"),
        (("vasp", chains, "--write", tmp_path / "w", "--collect", tmp_path / "w"), "with -o FILE|exclude"),
    ]:
        said = run.refuses("label", *arguments)
        assert any(w in said for w in words.split("|")), said


@pytest.mark.skipif(importlib.util.find_spec("pyscf") is None, reason="needs pyscf")
def test_levels_of_theory_are_kept_and_not_mixed(run, tmp_path):
    write(tmp_path / "mols.xyz", [molecule("H2"), molecule("LiH")], format="extxyz")
    mols, files = tmp_path / "mols.xyz", [tmp_path / "a.extxyz", tmp_path / "b.extxyz"]
    basis = ("--set", "basis=STO-3G", "--workers", "0")
    run("label", "pyscf", mols, "--set", "method=HF", *basis, "-o", files[0])
    run("label", "pyscf", mols, "--set", "method=MP2", *basis, "-o", files[1])
    said = run.refuses("inspect", *files)
    assert "HF/STO-3G (PySCF) (2)" in said
    assert "MP2/STO-3G (PySCF) (2)" in said
    assert "--mix-levels" in said
    run("inspect", *files, "--mix-levels")
    assert len(read(*files, level="MP2/STO-3G (PySCF)")) == 2
    both = run("label", "pyscf", *files, "--set", "method=HF", *basis, "-o", tmp_path / "c.extxyz")
    assert "4 of 4 structures labelled" in both.stdout  # earlier labels are replaced, so they may differ
    assert {s.level for s in read(tmp_path / "c.extxyz")} == {"HF/STO-3G (PySCF)"}


def test_inputs_are_written_and_collected(run, tmp_path, monkeypatch):
    monkeypatch.delenv("VASP_PP_PATH", raising=False)
    write(tmp_path / "si.xyz", [bulk("Si")], format="extxyz")
    home, out = tmp_path / "runs", tmp_path / "out.extxyz"
    wrote = run("label", "vasp", tmp_path / "si.xyz", "--write", home)
    assert "1 input folders written" in wrote.stdout
    assert "POTCAR.spec" in wrote.stderr
    assert {p.name for p in (home / "00000").iterdir()} >= {"POSCAR", "INCAR", "KPOINTS", "POTCAR.spec"}
    said = run.refuses("label", "vasp", tmp_path / "si.xyz", "--collect", home, "-o", out)
    assert "si.xyz, frame 0" in said
    assert "unfinished" in said
    said = run.refuses("label", "vasp", tmp_path / "si.xyz", "--set", "cutoff=300", "--collect", home, "-o", out)
    assert "settings are others now" in said


def test_an_executor_by_module_and_class(run, tmp_path, chains, log):
    executor = ("--executor", "concurrent.futures:ThreadPoolExecutor", "--workers", "2")
    run("label", OWN, chains, "--set", f"log={log}", "--set", "seconds=0", *executor, "-o", tmp_path / "out.extxyz")
    assert sum(ended(log).values()) == N


@pytest.fixture
def start(tmp_path, chains, log):
    """Start the command in a process group of its own, as a terminal does."""
    out = tmp_path / "out.extxyz"

    def begin(workers, *, seconds=0.4, script="from cambrian.cli import main; main()"):
        words = ["label", OWN, chains, "--set", f"log={log}", "--set", f"seconds={seconds}", "-o", out]
        return subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words), "--workers", str(workers)],
            env={**os.environ, "PYTHONPATH": str(Path(cambrian.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return begin


def wait_for(process, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def finish(process, tmp_path, log):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{N} of {N} structures labelled" in out
    assert [s.energy for s in read(tmp_path / "out.extxyz")] == [-float(n) for n in range(2, N + 2)]
    assert ended(log) == {str(n): 1 for n in range(2, N + 2)}  # nothing that was finished was done twice
    return out


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_blow_while_computing_loses_nothing(start, tmp_path, log, workers, blow):
    stored = lambda: len(list((tmp_path / "out.cache").rglob("*.json")))  # noqa: E731
    process = start(workers)
    wait_for(process, lambda: stored() >= 2)
    (os.killpg if blow == signal.SIGINT else os.kill)(process.pid, blow)
    _, err = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGKILL)
    assert ("the same command goes on" in " ".join(err.split())) == (blow == signal.SIGINT)
    assert not (tmp_path / "out.extxyz").exists()
    pids = {int(line.split()[2]) for line in log.read_text().splitlines()}
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)  # no worker is left behind
    before = stored()
    assert before == sum(ended(log).values())
    assert f"{before} of them known before" in finish(start(workers), tmp_path, log)


@pytest.mark.slow
def test_kill_9_before_the_first_and_before_the_file_is_in_place(start, tmp_path, log):
    process = start(1, seconds=5)
    wait_for(process, log.exists)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not ended(log)
    at_the_end = (
        "import os; os.replace = lambda a, b, f=os.replace: os.kill(os.getpid(), 9) if str(b).endswith("
        "'extxyz') else f(a, b); from cambrian.cli import main; main()"
    )
    process = start(1, seconds=0, script=at_the_end)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.extxyz").exists()
    assert f"{N} of them known before" in finish(start(1, seconds=0), tmp_path, log)
