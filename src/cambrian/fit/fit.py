"""`fit`: a potential, labelled structures and a solver make a fitted potential, with its errors and history."""

import importlib.metadata
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from cambrian.contracts.force_model import ForceModel, Model
from cambrian.contracts.kernel import KernelView
from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import Predicted, predict
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.fit.force_kernel_ridge import ForceKernelRidge
from cambrian.fit.metrics import Errors
from cambrian.fit.problem import Problem, Progress
from cambrian.fit.warm_start import Change, WarmStart, refuse_elements_unknown_to


@dataclass(frozen=True)
class Part:
    """One of train, validation and test: the structures, what the potential says of them, and the errors."""

    data: Dataset
    predicted: list[Predicted]
    errors: Errors


@dataclass(frozen=True)
class Fit:
    """A fitted potential and how it came about; `parts` holds train, validation and test as far as they exist.

    `changes` has the errors on new and old data before and after a fit that went on from a fitted potential.
    """

    potential: Potential
    solution: Solution
    parts: dict[str, Part]
    seconds: float
    seed: int
    data_hash: str
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def n_parameters(self) -> int:
        """Number of fitted parameters, coefficients of full kernels that no gradient reaches included."""
        trained = sum(p.numel() for p in self.potential.parameters() if p.requires_grad)
        untrained = [t.linear() for t in self.potential.terms() if not any(p.requires_grad for p in t.parameters())]
        return trained + sum(len(view.coefficients) for view in untrained if isinstance(view, KernelView))

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: a public interface."""
        figures = {name: self.parts[name].errors.figures() if name in self.parts else None for name in PARTS}
        facts = {
            "fit_seconds": self.seconds,
            "n_parameters": self.n_parameters,
            "seed": self.seed,
            "data_hash": self.data_hash,
            "versions": versions(),
        }
        changes = {name: change.figures() for name, change in self.changes.items()}
        return figures | facts | ({"start": {"new": None, "old": None} | changes} if changes else {})


PARTS = ("train", "validation", "test")


def fit(
    potential: Model,
    train: Dataset,
    solver: Solver,
    *,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    seed: int = 0,
    warm: WarmStart | None = None,
    folder: str | Path | None = None,
    progress: Progress = lambda stage, fraction, words: None,
) -> Fit:
    """Fit a potential, or a model of forces alone, in place.

    warm: the potential is fitted already; the fit goes on from there, and nothing is set up anew.
    folder: where a solver keeps its checkpoint; an interrupted fit of the same problem resumes from it.
    progress: called with a stage, the fraction done (0 to 1) and figures in words.
    Raises UserError for data without labels, with NaN or with elements that only the test set has, or that a fitted
    potential does not know.
    """
    refuse_unlabelled(train)
    refuse_other_solvers(potential, solver)
    potential = cast(Potential, potential)  # a force model, too, has elements, a cutoff and parameters
    for other in (validation, test) if warm is None else (train, validation, test, warm.replay):
        refuse_new_elements(train, other) if warm is None else refuse_elements_unknown_to(potential, other)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries below may draw from it

    def judged(data: Dataset, name: str) -> Part:
        return assess(potential, data, lambda fraction: progress("errors", fraction, name))

    tasks = {} if warm is None else dict(warm.tasks(train, test))
    before = {name: judged(data, f"{name} data, before") for name, data in tasks.items()}
    start = time.monotonic()
    problem = Problem(potential, train, validation, seed, None if folder is None else Path(folder), progress, warm)
    if warm is None:
        potential.setup(train)
    else:
        problem.train = warm.joined(train, seed)
        for term in potential.terms():
            term.posterior = None  # that of the coefficients the fit begins with
        potential.widen(problem.train)
    data_hash = problem.train.hash
    solution = solver.solve(problem)
    solution.notes += problem.notes
    seconds = time.monotonic() - start
    potential.eval()
    together = zip(PARTS, (problem.train, problem.validation, test), strict=True)
    parts = {name: judged(data, name) for name, data in together if data is not None and len(data)}
    changes = {name: Change(before[name].errors, judged(data, f"{name} data").errors) for name, data in tasks.items()}
    return Fit(potential, solution, parts, seconds, seed, data_hash, changes)


def assess(potential: Model, data: Dataset, progress=lambda fraction: None) -> Part:
    """Predict a dataset and put errors beside it."""
    predicted = predict(potential, data, progress=progress)
    return Part(data, predicted, Errors.of(data, predicted))


def refuse_unlabelled(data: Dataset) -> None:
    """Raise UserError when there is nothing to fit to."""
    if len(data) == 0:
        raise UserError("there are no structures to fit to")
    if not any(s.has_energy or s.forces is not None for s in data):
        raise UserError(
            f"no structure has an energy or forces (the first is {data[0].where}); name the keys with --energy-key and "
            "--forces-key if they are called otherwise (cambrian inspect shows what is there)"
        )


def refuse_other_solvers(model: Model, solver: Solver) -> None:
    """Raise UserError where a model of forces alone is to be fitted by a solver of potentials."""
    if isinstance(model, ForceModel) and not isinstance(solver, ForceKernelRidge):
        raise UserError(f"{type(model).__name__} gives forces without an energy; its solver is ForceKernelRidge")


def refuse_new_elements(train: Dataset, other: Dataset | None) -> None:
    """Raise UserError when other data hold an element that the training data lack."""
    for s in other or ():
        strange = sorted(set(s.atoms.get_chemical_symbols()) - set(symbols(train.numbers)))
        if strange:
            raise UserError(f"{s.where}: holds {', '.join(strange)}, which the training data do not")


def versions() -> dict[str, str]:
    """Versions of what computed the result."""
    names = ("cambrian", "numpy", "scipy", "torch", "ase", "vesin")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}
