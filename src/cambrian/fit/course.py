"""The course of a training, whatever takes its steps: epochs, validation, the best so far, when to end, checkpoints.

A checkpoint holds the state at the end of an epoch: parameters, what the method remembers, the random state. An
interrupted fit resumes to the same result to the bit, unless a time limit decides when it ends. Checkpoints are written
often enough that an interruption costs the epoch under way and little more, and no copy of the state stays in memory.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from cambrian.configurable import Configurable, describe
from cambrian.contracts.archive import fingerprint
from cambrian.contracts.prepared import Prepared
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.labels import Labels
from cambrian.errors import UserError
from cambrian.fit.checkpoint import read_checkpoint, write_checkpoint
from cambrian.fit.problem import Problem, Weights, loss, weighted_residuals

SECONDS_BETWEEN_CHECKPOINTS = (1.0, 20.0)  # at least, at most
SHARE_OF_CHECKPOINTS = 0.05  # of the time
Item = tuple[Prepared, Labels]


class Target(Configurable):
    """Errors that are good enough: training ends when the RMSE on the validation set is at or below those given.

    `energy_rmse` in eV/atom, `force_rmse` in eV/Å; the training set counts where nothing is held out.
    """

    rooms = ("fit",)

    def __init__(self, *, energy_rmse: float | None = None, force_rmse: float | None = None):
        if energy_rmse is None and force_rmse is None:
            raise UserError("a target names energy_rmse (eV/atom), force_rmse (eV/Å) or both")
        self.limits = {k: v for k, v in (("energy_rmse", energy_rmse), ("force_rmse", force_rmse)) if v is not None}

    def reached(self, figures: dict[str, float]) -> bool:
        """Whether every error that it names is there and small enough."""
        return all(figures.get(name, float("inf")) <= limit for name, limit in self.limits.items())


class EpochSolver(Solver, ABC):
    """A solver that trains by epochs.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³ in the loss by which epochs are judged.
    """

    epochs: int
    weights: Weights
    validation_fraction: float
    patience: int | None
    max_minutes: float | None
    target: Target | None
    groups: dict[str, dict[str, float]]

    @abstractmethod
    def course(self, problem: Problem) -> "Course":
        """The training of a problem, at its beginning."""

    def solve(self, problem: Problem) -> Solution:
        """Train in place; the potential ends with the parameters of the best epoch.

        Raises UserError where nothing can be trained or nothing is labelled.
        """
        if not any(p.requires_grad for p in problem.potential.parameters()):
            raise UserError("this potential has nothing to train; choose a recipe with parameters, or unfreeze a term")
        if problem.validation is None and len(problem.train) > 1 and self.validation_fraction > 0:
            problem.hold_out(self.validation_fraction)
        problem.train = problem.train.with_group_weights(self.groups)
        course = self.course(problem)
        course.resume()
        try:
            while not course.finished():
                course.epoch()
        except KeyboardInterrupt:
            course.checkpoint()
            raise
        course.checkpoint()
        return course.solution()


class Course(ABC):
    """The state of one training: everything that a checkpoint must hold.

    `at_once`: every step looks at all training data, which are batches then, instead of structures.
    """

    at_once = False

    def __init__(self, solver: EpochSolver, problem: Problem):
        self.solver, self.problem = solver, problem
        self.train = problem.prepared(problem.train)
        if self.at_once:
            self.train = merged(self.train)
        self.validation = merged(problem.prepared(problem.validation or problem.train[:0]))
        self.parameters = [p for p in problem.potential.parameters() if p.requires_grad]
        self.best, self.best_loss = [p.detach().clone() for p in self.parameters], float("inf")
        self.generator = torch.Generator().manual_seed(problem.seed)
        self.history: list[dict[str, float]] = []
        self.waited, self.earlier_seconds, self.start = 0, 0.0, time.monotonic()
        self.reached = self.stuck = False
        self.saved_at, self.writing, self.between_epochs = self.start, 0.0, False
        origin = [describe(problem.potential), describe(solver), problem.train.hash, problem.seed]
        if problem.warm is not None:
            origin += [fingerprint(problem.potential), problem.warm.replay_weight, problem.warm.rate]
            if self.validation:
                self.best_loss = self.validated(self.best)["loss"]  # the start itself is kept where nothing is better
        self.key = json.dumps(origin)

    @abstractmethod
    def advance(self) -> dict[str, float]:
        """Train for one epoch; returns figures for the history, `train_loss` among them where it is known."""

    def candidate(self) -> list[Tensor]:
        """The parameters by which an epoch is judged."""
        return [p.detach().clone() for p in self.parameters]

    def notice(self, figures: dict[str, float]) -> None:  # noqa: B027 - most methods do not look at them
        """See the figures of the validation after an epoch."""

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the method remembers beside the parameters, as tensors and plain data."""
        return {}, {}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:  # noqa: B027 - some remember nothing
        """Take up what `memory` gave."""

    @property
    def seconds(self) -> float:
        """Training time, that of interrupted runs included."""
        return self.earlier_seconds + time.monotonic() - self.start

    @property
    def fraction(self) -> float:
        """How much of the training is done, by epochs or by the time limit."""
        by_epochs = len(self.history) / self.solver.epochs if self.solver.epochs else 1.0
        limit = self.solver.max_minutes
        return min(1.0, by_epochs if limit is None else max(by_epochs, self.seconds / (60 * limit)))

    def finished(self) -> bool:
        """Whether the target is reached, or epochs, time or patience are used up."""
        patience = self.solver.patience
        is_patient = patience is None or self.waited < patience
        return self.reached or self.stuck or self.fraction >= 1.0 or not is_patient

    def epoch(self) -> None:
        """Train, validate, remember the best, note the figures."""
        self.between_epochs = False
        row = self.advance()
        candidate = self.candidate()
        needs_figures = bool(self.validation) or self.solver.target is not None or "train_loss" not in row
        figures = self.validated(candidate) if needs_figures else {"loss": row["train_loss"]}
        self.notice(figures)
        if figures["loss"] < self.best_loss:
            self.best_loss, self.waited, self.best = figures["loss"], 0, candidate
        else:
            self.waited += 1
        kind = "validation" if self.validation else "train"
        found = {f"{kind}_{name}": value for name, value in figures.items()}
        self.history.append({"epoch": len(self.history) + 1, **row, **found, "seconds": self.seconds})
        if self.solver.target is not None and self.solver.target.reached(figures):
            self.reached, self.best = True, candidate
        self.between_epochs = True
        shortest, longest = SECONDS_BETWEEN_CHECKPOINTS
        if time.monotonic() - self.saved_at > min(longest, max(shortest, self.writing / SHARE_OF_CHECKPOINTS)):
            self.checkpoint()
        words = f"epoch {len(self.history)}, loss {figures['loss']:.3g}"
        if figures.get("force_rmse") is not None:
            words += f", {kind} force RMSE {1e3 * figures['force_rmse']:.0f} meV/Å"
        self.problem.progress("training", self.fraction, words)

    def validated(self, values: list[Tensor]) -> dict[str, float]:
        """Loss and RMSE of some parameters on the validation set, or the training set where there is none."""
        trained = [p.detach().clone() for p in self.parameters]
        self.assign(values)
        figures = judged(self.validation or self.batches(), self.solver.weights)
        self.assign(trained)
        return figures

    def batches(self) -> Iterable[Item]:
        """The training data as batches, of which one at a time stands in memory beside the structures."""
        return self.train if self.at_once else in_batches(self.train)

    def assign(self, values: list[Tensor]) -> None:
        """Put values into the parameters."""
        with torch.no_grad():
            for p, v in zip(self.parameters, values, strict=True):
                p.copy_(v)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """Everything that resuming needs, at the end of an epoch."""
        remembered, facts = self.memory()
        tensors = {"random": self.generator.get_state(), **{f"method.{k}": v for k, v in remembered.items()}}
        for name, values in (("weight", self.parameters), ("best", self.best)):
            tensors |= {f"{name}.{k}": v.detach().clone() for k, v in enumerate(values)}
        course = {"history": self.history[:], "best_loss": self.best_loss, "waited": self.waited}
        course |= {"reached": self.reached, "stuck": self.stuck, "seconds": self.seconds, "method": facts}
        return tensors, course | {"problem": self.key}

    def checkpoint(self) -> None:
        """Write the state where the problem has a folder; amid an epoch, what was written before stays."""
        if self.problem.folder is not None and self.between_epochs:
            start = time.monotonic()
            write_checkpoint(self.problem.folder / "checkpoint.safetensors", *self.state())
            self.saved_at = time.monotonic()
            self.writing = self.saved_at - start

    def resume(self) -> None:
        """Take up a checkpoint of the same potential, solver, data and seed, where there is one."""
        if self.problem.folder is None:
            return
        stored = read_checkpoint(self.problem.folder / "checkpoint.safetensors", self.key)
        if stored is None:
            return
        tensors, facts = stored
        self.assign([tensors[f"weight.{k}"] for k in range(len(self.parameters))])
        self.best = [tensors[f"best.{k}"] for k in range(len(self.parameters))]
        self.recall(
            {k.removeprefix("method."): v for k, v in tensors.items() if k.startswith("method.")}, facts["method"]
        )
        self.generator.set_state(tensors["random"])
        self.history, self.waited = facts["history"], facts["waited"]
        self.reached, self.stuck = facts["reached"], facts["stuck"]
        self.best_loss, self.earlier_seconds = facts["best_loss"], facts["seconds"]

    def ending(self) -> str:
        """Why training ended, in words."""
        if self.reached:
            return "the target was reached"
        if self.stuck:
            return "no further step lowers the loss"
        if self.solver.patience is not None and self.waited >= self.solver.patience:
            return f"the validation loss had not improved for {self.waited} epochs"
        if len(self.history) < self.solver.epochs:
            return f"the time limit of {self.solver.max_minutes} minutes was reached"
        return "every epoch was run"

    def solution(self) -> Solution:
        """Put the best parameters in place and say how training ended."""
        self.assign(self.best)
        notes = [f"Training ended after {len(self.history)} epochs because {self.ending()}."]
        if self.solver.target is not None and not self.reached:
            asked = [
                f"{1e3 * v:.4g} {'meV/Å' if 'force' in k else 'meV/atom'}" for k, v in self.solver.target.limits.items()
            ]
            notes.append(f"The target ({', '.join(asked)} RMSE) was not reached.")
        return Solution(history=self.history, notes=notes, figures={"epochs": len(self.history)})


def judged(batches: Iterable[Item], weights: Weights) -> dict[str, float]:
    """Loss, and RMSE of energies (eV/atom) and forces (eV/Å), over batches."""
    losses, residuals, n_structures = 0.0, [], 0
    for item, labels in batches:
        prediction = item.predict()
        losses += float(loss(prediction, labels, weights).detach()) * len(labels.energy)
        n_structures += len(labels.energy)
        plain = weighted_residuals(prediction, labels, Weights(1.0, 1.0, 1.0))
        residuals.append([r.detach().square() for r in plain])
    figures = {"loss": losses / n_structures}
    for kind, squares in zip(("energy_rmse", "force_rmse"), zip(*residuals, strict=False), strict=False):
        joined = torch.cat(squares)
        if len(joined):
            figures[kind] = float(joined.mean().sqrt())
    return figures


def joined(items: list[Item]) -> Item:
    """Several structures as one batch; one alone as it is."""
    if len(items) == 1:
        return items[0]
    first, *others = [item for item, _ in items]
    return first.join(others), Labels.joined([labels for _, labels in items])


def in_batches(items: list[Item], size: int = 32) -> Iterator[Item]:
    """Structures joined to batches, one after the other."""
    return (joined(items[start : start + size]) for start in range(0, len(items), size))


def merged(items: list[Item], size: int = 32) -> list[Item]:
    """Structures joined to batches; `items` is emptied on the way, so that nothing stands in memory twice."""
    found = []
    while items:
        found.append(joined(items[:size]))
        del items[:size]
    return found
