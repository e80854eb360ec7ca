"""`label`: structures and a reference method make a dataset; what was computed once is never computed again."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from cambrian.contracts.labeller import Labeller
from cambrian.data.dataset import Dataset
from cambrian.data.keys import plan
from cambrian.data.labelling import charge_and_spin
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.label.by_calculator import bare
from cambrian.label.cache import key_of, recall, store, with_labels
from cambrian.label.processes import run_here, run_in_processes, run_with


@dataclass(frozen=True)
class Failure:
    """A structure without labels: its place among those given, file and frame, and the reason in words."""

    index: int
    where: str
    reason: str


@dataclass(frozen=True)
class Labelled:
    """What came of labelling: the labelled structures in their order, those that failed, and how many were new."""

    data: Dataset
    failures: tuple[Failure, ...]
    n_computed: int
    n_reused: int


def label(
    structures: Iterable[Structure | Atoms],
    labeller: Labeller,
    *,
    cache: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float, str], None] = lambda stage, fraction, words: None,
) -> Labelled:
    """Label structures in parallel; a structure that fails is reported and left out.

    Group, weights and source of a structure are kept, its earlier labels replaced; charge, spin and group of plain
    Atoms are read from `atoms.info`.

    cache: folder of results. Each is stored as soon as it is there, so that Ctrl-C or a crash loses nothing that was
        finished, and a second call computes only what is missing (and what failed).
    workers: processes of one thread each; one per free core by default, 0 computes in this process.
    executor: any `concurrent.futures` executor instead, such as one that submits to a cluster.
    progress: called with a stage, the fraction done (0 to 1) and figures in words.
    Raises UserError where the method cannot run on this machine, and where the cache cannot be written.
    """
    folder = None if cache is None else Path(cache).absolute()
    run = _Run(as_structures(structures), labeller, folder, progress)
    tasks = [_Task(labeller, run.given[places[0]], key, folder) for key, places in run.missing.items()]
    if tasks:
        labeller.ready()
        if executor is not None:
            run_with(executor, _compute, tasks, run.finish, lost=str)
        elif workers == 0:
            run_here(_compute, tasks, run.finish)
        else:
            n_workers = min(workers or _free_cores(), len(tasks))
            run_in_processes(_compute, tasks, run.finish, n_workers=n_workers, lost=str)
    return run.labelled()


class _Run:
    """What is known so far; like structures are computed once."""

    def __init__(self, given: list[Structure], labeller: Labeller, cache: Path | None, progress: Callable):
        self.given, self.cache, self.progress = given, cache, progress
        self.results: dict[int, Structure] = {}
        self.failures: dict[int, Failure] = {}
        self.missing: dict[str, list[int]] = {}
        for k, s in enumerate(given):
            key = key_of(s, labeller)
            found = None if cache is None else recall(s, key, cache)
            if found is None:
                self.missing.setdefault(key, []).append(k)
            else:
                self.results[k] = found
        self.n_reused = len(self.results)
        self.keys = list(self.missing)

    def finish(self, task: int, outcome: Structure | str) -> None:
        """Keep the labels of one task, or the reason why there are none."""
        key = self.keys[task]
        if isinstance(outcome, Structure) and self.cache is not None and recall(outcome, key, self.cache) is None:
            store(outcome, key, self.cache)  # the worker could not, on a machine that does not share the disk
        for k in self.missing[key]:
            if isinstance(outcome, Structure):
                self.results[k] = with_labels(self.given[k], outcome)
            else:
                self.failures[k] = Failure(k, self.given[k].where, outcome)
        done = len(self.results) + len(self.failures)
        words = f"{done} of {len(self.given)} structures" + (f", {len(self.failures)} failed" if self.failures else "")
        self.progress("labels", done / len(self.given), words)

    def labelled(self) -> Labelled:
        """Everything, in the order in which it was given."""
        data = Dataset(self.results[k] for k in sorted(self.results))
        failures = tuple(self.failures[k] for k in sorted(self.failures))
        return Labelled(data, failures, len(self.results) - self.n_reused, self.n_reused)


@dataclass(frozen=True)
class _Task:
    """One structure for a worker, and where its result belongs."""

    labeller: Labeller
    structure: Structure
    key: str
    cache: Path | None


def _compute(task: _Task) -> Structure | str:
    """The labels of one structure, or why there are none; runs in a worker.

    The worker stores what it computed, so that it is kept even where nobody is there any more to receive it.
    """
    s = task.structure
    try:
        labels = task.labeller.label(s.atoms, total_charge=s.total_charge, spin=s.spin)
    except UserError as error:
        return str(error)
    except Exception as error:  # one structure must not end the labelling of the others
        return f"{type(error).__name__}: {error}"
    if task.cache is not None:
        with suppress(UserError):  # a cache that cannot be written is refused where the result arrives
            store(labels, task.key, task.cache)
    return labels


def as_structures(given: Iterable[Structure | Atoms]) -> list[Structure]:
    """Structures; group, charge and spin of plain Atoms are read from `atoms.info`."""
    return [s if isinstance(s, Structure) else _structure(s, k) for k, s in enumerate(given)]


def _structure(atoms: Atoms, index: int) -> Structure:
    total_charge, spin = charge_and_spin(atoms.info)
    group = plan(tuple(key for key in atoms.info if isinstance(key, str)), (), ()).others.get("group")
    named = "" if group is None else str(atoms.info[group])
    return Structure(bare(atoms), total_charge=total_charge, spin=spin, group=named, frame=index)


def _free_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1
