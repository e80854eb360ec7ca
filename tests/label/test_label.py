"""Labelling many structures: cache, processes, failures, killed workers, interruption and resume."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from odd_labellers import Odd, calls

import cambrian
from cambrian.data import Structure
from cambrian.errors import UserError
from cambrian.label import label
from cambrian.label.ase import ASELabeller
from cambrian.label.cache import key_of


def hears_ctrl_c() -> None:
    """In the child: Ctrl-C is not ignored, as it is where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def chain(n, do="", **info):
    """A chain of `n` atoms; no two of a test are alike."""
    return Atoms(f"H{n}", [[1.1 * k, 0, 0] for k in range(n)], info={"do": do, **info})


@pytest.fixture
def ran(tmp_path):
    folder = tmp_path / "ran"
    folder.mkdir()
    return folder


def test_order_group_and_charge_are_kept(ran):
    atoms = chain(2, config_type="pair", total_charge=1, spin=1)
    given = Structure(chain(3), energy=5.0, group="trio", weights={"energy": 2.0}, source="a.xyz", frame=7)
    said = []
    done = label([atoms, given], Odd(str(ran)), workers=0, progress=lambda *figures: said.append(figures))
    first, second = done.data
    assert [s.energy for s in done.data] == [-2.0, -3.0]
    assert (first.group, first.total_charge, first.spin, first.level) == ("pair", 1.0, 1.0, "odd")
    assert (second.group, second.weights, second.where) == ("trio", {"energy": 2.0}, "a.xyz, frame 7")
    assert said[-1] == ("labels", 1.0, "2 of 2 structures")
    assert (done.n_computed, done.n_reused, done.failures) == (2, 0, ())


def test_cache_keeps_every_digit_and_is_keyed_by_everything_that_matters(ran, tmp_path):
    cache = tmp_path / "cache"
    structures = [chain(n) for n in (1, 2, 3, 2)]
    first = label(structures, Odd(str(ran)), cache=cache, workers=0)
    assert calls(ran) == 3  # the like pair is computed once
    again = label(structures, Odd(str(ran)), cache=cache, workers=0)
    assert calls(ran) == 3
    assert again.n_reused == 4
    for a, b in zip(first.data, again.data, strict=True):
        assert a.energy == b.energy
        assert np.array_equal(a.forces, b.forces)
        assert (a.stress, b.stress, a.level) == (None, None, b.level)
    s = first.data[1]
    moved = s.atoms.copy()
    moved.positions[0, 0] += 1e-12
    magnetic = s.atoms.copy()
    magnetic.set_initial_magnetic_moments([1, 0])
    labeller = Odd(str(ran))
    others = [
        key_of(replace(s, atoms=moved), labeller),
        key_of(replace(s, atoms=magnetic), labeller),
        key_of(replace(s, total_charge=1.0), labeller),
        key_of(replace(s, spin=1.0), labeller),
        key_of(s, Odd("elsewhere")),
        key_of(s, ASELabeller("emt")),
    ]
    assert len({key_of(s, labeller), *others}) == 7
    assert key_of(replace(s, group="other", energy=0.0), labeller) == key_of(s, labeller)


def test_damaged_result_is_computed_again(ran, tmp_path):
    cache = tmp_path / "cache"
    label([chain(4)], Odd(str(ran)), cache=cache, workers=0)
    (file,) = cache.rglob("*.json")
    whole = file.read_text()
    for damage in (whole[: len(whole) // 2], "", "[]", json.dumps({"energy": 1.0, "forces": [[0, 0, 0]]})):
        file.write_text(damage)
        assert label([chain(4)], Odd(str(ran)), cache=cache, workers=0).n_computed == 1
        assert file.read_text() == whole


def test_failures_are_reported_and_skipped(ran):
    coincident = Atoms("H2", [[0, 0, 0], [0, 0, 0]])
    structures = [chain(2, "refuse"), chain(3), chain(4, "break"), Structure(chain(5, "refuse"), source="b.xyz")]
    done = label(structures, Odd(str(ran)), workers=0)
    assert [len(s) for s in done.data] == [3]
    assert [(f.index, f.where, f.reason) for f in done.failures] == [
        (0, "structure, frame 0", "no convergence"),
        (2, "structure, frame 2", "ZeroDivisionError: division by zero"),
        (3, "b.xyz, frame 0", "no convergence"),
    ]
    (failure,) = label([coincident], ASELabeller("emt"), workers=0).failures
    assert "one place" in failure.reason


def test_a_killed_worker_takes_no_other_structure_with_it(ran, tmp_path):
    odd = {4: "refuse", 9: "die", 10: "die once", 11: "threads"}
    done = label([chain(n, odd.get(n, "")) for n in range(1, 12)], Odd(str(ran)), cache=tmp_path / "cache", workers=2)
    assert [len(s) for s in done.data] == [1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert [(f.index, f.reason[:24]) for f in done.failures] == [(3, "no convergence"), (8, "the worker process died:")]
    assert done.data[-1].energy == 1.0  # OMP_NUM_THREADS


def test_environment_is_left_as_it_was(ran, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert label([chain(1, "threads")], Odd(str(ran)), workers=1).data[0].energy == 1.0
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_any_executor_serves(ran):
    with ThreadPoolExecutor(2) as executor:
        done = label([chain(n, "refuse" if n == 3 else "") for n in range(1, 6)], Odd(str(ran)), executor=executor)
    assert [len(s) for s in done.data] == [1, 2, 4, 5]
    assert len(done.failures) == 1


SCRIPT = """
import sys
from cambrian.label import label
from odd_labellers import Odd
from ase import Atoms
if __name__ == "__main__":
    ran, cache, workers = sys.argv[1:]
    structures = [Atoms(f"H{n}", [[1.1 * k, 0, 0] for k in range(n)], info={"do": "sleep"}) for n in range(1, 13)]
    done = label(structures, Odd(ran), cache=cache, workers=int(workers), progress=lambda *f: print(f, flush=True))
    print("labelled", len(done.data), "reused", done.n_reused)
"""


@pytest.fixture
def start(ran, tmp_path):
    """Start the script above in a process group of its own, as a terminal does."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = [str(Path(__file__).parents[1]), str(Path(cambrian.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def begin(workers):
        arguments = [sys.executable, str(script), str(ran), str(tmp_path / "cache"), str(workers)]
        return subprocess.Popen(
            arguments,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hears_ctrl_c,
        )

    return begin


def group_is_alive(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("workers", "blow"),
    [
        (2, signal.SIGINT),
        pytest.param(0, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_interrupted_labelling_loses_nothing_and_resumes(start, ran, tmp_path, workers, blow):
    process = start(workers)
    for _ in range(3):
        assert process.stdout.readline().startswith("('labels'")
    (os.killpg if blow == signal.SIGINT else os.kill)(process.pid, blow)
    out, err = process.communicate(timeout=30)
    assert process.returncode != 0
    if blow == signal.SIGINT:
        assert "KeyboardInterrupt" in err
        assert "BrokenProcessPool" not in err
    deadline = time.monotonic() + 10
    while group_is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group_is_alive(process.pid)  # no worker is left behind
    stored = len(list((tmp_path / "cache").rglob("*.json")))
    assert stored >= max([3, *(int(n) for n in re.findall(r"(\d+) of 12", out))])
    assert not list((tmp_path / "cache").rglob("*.part"))
    before = calls(ran)
    assert before - stored <= max(workers, 1)  # lost: at most what was under way
    process = start(0)
    out, err = process.communicate(timeout=60)
    assert f"labelled 12 reused {stored}" in out, err
    assert calls(ran) == before + 12 - stored


@pytest.mark.slow
def test_a_script_without_the_guard_is_told(tmp_path, ran):
    script = tmp_path / "bare.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from ase import Atoms
        from cambrian.label import label
        from odd_labellers import Odd
        label([Atoms("H")], Odd({str(ran)!r}), workers=1)
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cambrian.__file__).parents[1])}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "if __name__ == '__main__'" in done.stderr.splitlines()[-1]
    assert calls(ran) == 0


def test_a_cache_that_cannot_be_written_is_refused(ran, tmp_path):
    (tmp_path / "cache").write_text("a file stands there")
    with pytest.raises(UserError, match="cannot write"):
        label([chain(1)], Odd(str(ran)), cache=tmp_path / "cache", workers=0)
