"""Executors by name: a real one of executorlib on this machine, and names that are none."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
from ase.build import bulk

from cambrian.errors import UserError
from cambrian.label import label
from cambrian.label.ase import ASELabeller
from cambrian.label.executors import executor_of


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # executorlib's own
@pytest.mark.skipif(importlib.util.find_spec("executorlib") is None, reason="needs executorlib")
def test_tasks_run_through_executorlib(tmp_path):
    atoms = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]
    with executor_of("node", workers=2, resources={"cores": 1}, folder=tmp_path / "executor") as executor:
        done = label([*atoms, bulk("Fe")], ASELabeller("emt"), cache=tmp_path / "cache", executor=executor)
    here = label(atoms, ASELabeller("emt"), workers=0)
    assert [s.energy for s in done.data] == [s.energy for s in here.data]
    assert [f.index for f in done.failures] == [3]
    assert label(atoms, ASELabeller("emt"), cache=tmp_path / "cache", workers=0).n_reused == 3


def test_other_executors_and_wrong_names(tmp_path):
    place = {"workers": 2, "resources": {}, "folder": tmp_path / "executor"}
    with executor_of("concurrent.futures:ThreadPoolExecutor", **place) as executor:
        assert isinstance(executor, ThreadPoolExecutor)
    for name, words in {
        "slurn": "did you mean 'slurm'",
        "concurrent.futures:Nothing": "no executor concurrent.futures:Nothing",
        "concurrent.futures:Future": "cannot be made",
    }.items():
        with pytest.raises(UserError, match=words):
            executor_of(name, **place)
