"""The estimate of memory: near what features take, whatever structure comes first, and told before the work."""

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from cambrian.cli.console import Bars
from cambrian.data import Dataset, Structure
from cambrian.fit import Problem, fit
from cambrian.fit import memory as memory_module
from cambrian.fit import problem as problem_module
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.lbfgs import LBFGS
from cambrian.recipes.hdnnp import hdnnp


def mixed(*, forces: bool = True) -> Dataset:
    """An isolated atom first, then cells of several sizes, of one element and of two."""
    rng, found = np.random.default_rng(0), [Atoms("Si"), Atoms("C")]
    for size in (1, 2, 1):
        found += [bulk("Si", cubic=True) * (size, 1, 1), bulk("SiC", "zincblende", a=4.4, cubic=True) * (1, size, 1)]
    structures = []
    for atoms in found:
        atoms.rattle(0.05, rng=rng)
        pushes = rng.normal(size=(len(atoms), 3)) if forces else None
        structures.append(Structure(atoms, energy=-float(len(atoms)), forces=pushes))
    return Dataset(structures)


def problem_of(data: Dataset) -> Problem:
    potential = hdnnp(cutoff=5.0, hidden=(3,))[0]
    potential.setup(data)
    return Problem(potential, data)


@pytest.mark.parametrize("forces", [True, False])
@pytest.mark.parametrize("probes", [1, 8])
def test_the_estimate_is_near_what_features_take(forces, probes, monkeypatch):
    monkeypatch.setattr(memory_module, "PROBES", probes)
    data = mixed(forces=forces)
    problem = problem_of(data)
    estimate = problem._estimate(data)
    taken = sum(item.n_bytes for item, _ in problem.prepared(data))
    assert estimate.needed == pytest.approx(taken, rel=0.2) or (probes == 1 and taken < estimate.needed < 5 * taken)


def test_it_stands_in_the_log_before_the_work_and_among_the_notes(caplog):
    data, said = mixed(), []
    caplog.set_level(logging.INFO, "cambrian")

    def progress(stage, fraction, words):
        said.append((stage, [r.getMessage() for r in caplog.records]))

    solver = GradientDescent(epochs=1, validation_fraction=0.3)
    result = fit(hdnnp(cutoff=5.0, hidden=(3,))[0], data, solver, progress=progress)
    first = next(lines for stage, lines in said if stage == "features")
    assert len(first) == len(caplog.records) == 1
    assert "features take about" in first[0]
    assert [note for note in result.solution.notes if first[0] in note]


def test_the_command_line_prints_it_without_a_terminal(capsys):
    level = logging.getLogger("cambrian").level
    with Bars() as bars:
        fit(hdnnp(cutoff=5.0, hidden=(3,))[0], mixed(), LBFGS(epochs=1), progress=bars)
    assert "features take about" in capsys.readouterr().err
    assert logging.getLogger("cambrian").level == level


def test_too_little_memory_is_said_with_the_way_out(monkeypatch, caplog):
    monkeypatch.setattr(problem_module, "available_memory", lambda: 1000.0)
    caplog.set_level(logging.INFO, "cambrian")
    problem = problem_of(mixed())
    items = problem.prepared(problem.train)
    assert sum(item.n_bytes for item, _ in items) == 0
    assert "a smaller cutoff" in caplog.text
