"""Gradient descent on mini-batches: Adam and its relatives, a schedule, an average of the weights, early stopping.

    w <- w - η f(t) · Adam(∂L/∂w)        w̄ <- d w̄ + (1 - d) w        the average w̄ is what is judged and kept

D. P. Kingma, J. Ba, arXiv:1412.6980. Fixed descriptors are computed once (contracts/prepared.py). A checkpoint at the
end of an epoch holds weights, moments and random state: an interrupted fit resumes to the same result to the bit,
unless a time limit decides when it ends.
"""

import json
import time
from typing import Literal

import torch
from torch import Tensor

from cambrian.configurable import describe
from cambrian.contracts.archive import fingerprint
from cambrian.contracts.prepared import Prepared
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.labels import Labels
from cambrian.errors import UserError
from cambrian.fit.checkpoint import read_checkpoint, write_checkpoint
from cambrian.fit.problem import Problem, Weights, loss, weighted_residuals
from cambrian.fit.schedules import Cosine, Schedule

OPTIMIZERS = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "NAdam": torch.optim.NAdam,
    "RAdam": torch.optim.RAdam,
}
SECONDS_BETWEEN_CHECKPOINTS = 20.0
Item = tuple[Prepared, Labels]


class GradientDescent(Solver):
    """Adam family with schedule, weight average and early stopping.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³. `batch_size` counts structures. `validation_fraction` of
    the training data is held out for early stopping where no validation set is given. `patience` is the number of
    epochs without a better validation loss after which training ends; `max_minutes` ends it too, the schedule
    following.
    """

    def __init__(
        self,
        *,
        learning_rate: float = 1e-2,
        epochs: int = 500,
        batch_size: int = 8,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 0.0,
        optimizer: Literal["Adam", "AdamW", "NAdam", "RAdam"] = "Adam",
        weight_decay: float = 0.0,
        schedule: Schedule = Cosine(),  # noqa: B008 - immutable
        ema: float = 0.99,
        clip: float | None = 10.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        self.learning_rate, self.epochs, self.batch_size = learning_rate, epochs, batch_size
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.optimizer, self.weight_decay, self.schedule = optimizer, weight_decay, schedule
        self.ema, self.clip = ema, clip
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.groups = groups or {}

    def solve(self, problem: Problem) -> Solution:
        """Train in place; the potential ends with the averaged weights of the best epoch.

        Raises UserError where nothing can be trained or nothing is labelled.
        """
        if not any(p.requires_grad for p in problem.potential.parameters()):
            raise UserError("this potential has nothing to train; choose a recipe with parameters, or unfreeze a term")
        if problem.validation is None and len(problem.train) > 1 and self.validation_fraction > 0:
            problem.hold_out(self.validation_fraction)
        problem.train = problem.train.with_group_weights(self.groups)
        run = _Run(self, problem)
        try:
            while not run.finished():
                run.epoch()
        except KeyboardInterrupt:
            run.checkpoint()
            raise
        run.checkpoint()
        return run.solution()


class _Run:
    """The state of one training: everything a checkpoint must hold."""

    def __init__(self, solver: GradientDescent, problem: Problem):
        self.solver, self.problem = solver, problem
        self.train = problem.prepared(problem.train)
        self.validation = _joined(problem.prepared(problem.validation or problem.train[:0]))
        self.parameters = [p for p in problem.potential.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]
        self.best, self.best_loss = [a.clone() for a in self.average], float("inf")
        self.optimizer = OPTIMIZERS[solver.optimizer](
            self.parameters, lr=solver.learning_rate, weight_decay=solver.weight_decay
        )
        self.generator = torch.Generator().manual_seed(problem.seed)
        self.history: list[dict[str, float]] = []
        self.waited, self.earlier_seconds, self.start = 0, 0.0, time.monotonic()
        self.saved_at = self.start
        self.rate = solver.learning_rate
        origin = [describe(problem.potential), describe(solver), problem.train.hash, problem.seed]
        if problem.warm is not None:
            self.rate *= problem.warm.rate
            origin += [fingerprint(problem.potential), problem.warm.replay_weight, self.rate]
            if self.validation:
                self.best_loss = self.validated()["loss"]  # the start itself is kept where nothing is better
        self.key = json.dumps(origin)
        self.snapshot: tuple[dict[str, Tensor], dict] | None = None
        self.resume()

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
        """Whether epochs, time or patience are used up."""
        patience = self.solver.patience
        return self.fraction >= 1.0 or (patience is not None and self.waited >= patience)

    def epoch(self) -> None:
        """One pass over the training data in random order, then the validation."""
        order = torch.randperm(len(self.train), generator=self.generator).tolist()
        size, total = self.solver.batch_size, 0.0
        rate = self.rate * self.solver.schedule.factor(self.fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for start in range(0, len(order), size):
            members = [self.train[k] for k in order[start : start + size]]
            total += self.step(_join(members)) * len(members)
        self.judge(total / len(order), rate)

    def step(self, item: Item) -> float:
        """One gradient step; returns the loss before it."""
        self.optimizer.zero_grad()
        value = loss(item[0].predict(), item[1], self.solver.weights)
        if not torch.isfinite(value):
            raise UserError(
                "the loss is no longer finite; lower solver.learning_rate, or look for broken labels (inspect)"
            )
        value.backward()
        if self.solver.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.solver.clip)
        self.optimizer.step()
        for a, p in zip(self.average, self.parameters, strict=True):
            a.lerp_(p.detach(), 1 - min(self.solver.ema, (1 + len(self.history)) / (10 + len(self.history))))
        return float(value.detach())

    def judge(self, train_loss: float, rate: float) -> None:
        """Validate the averaged weights, remember the best, note the figures of the epoch."""
        figures = self.validated() if self.validation else {"loss": train_loss}
        if figures["loss"] < self.best_loss:
            self.best_loss, self.waited = figures["loss"], 0
            self.best = [a.clone() for a in self.average]
        else:
            self.waited += 1
        row = {"epoch": len(self.history) + 1, "learning_rate": rate, "train_loss": train_loss, "seconds": self.seconds}
        self.history.append(row | {f"validation_{name}": value for name, value in figures.items() if self.validation})
        self.snapshot = self.state()
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self.checkpoint()
        words = f"epoch {len(self.history)}, loss {figures['loss']:.3g}"
        if figures.get("force_rmse") is not None:
            words += f", validation force RMSE {1e3 * figures['force_rmse']:.0f} meV/Å"
        self.problem.progress("training", self.fraction, words)

    def validated(self) -> dict[str, float]:
        """Loss and RMSE of the averaged weights on the validation set."""
        trained = [p.detach().clone() for p in self.parameters]
        self.assign(self.average)
        losses, residuals = [], []
        for item, labels in self.validation:
            prediction = item.predict()
            losses.append(loss(prediction, labels, self.solver.weights).detach() * len(labels.energy))
            plain = weighted_residuals(prediction, labels, Weights(1.0, 1.0, 1.0))
            residuals.append([r.detach().square() for r in plain])
        self.assign(trained)
        n_structures = sum(len(labels.energy) for _, labels in self.validation)
        figures = {"loss": float(sum(losses)) / n_structures}
        for kind, squares in zip(("energy_rmse", "force_rmse"), zip(*residuals, strict=False), strict=False):
            joined = torch.cat(squares)
            if len(joined):
                figures[kind] = float(joined.mean().sqrt())
        return figures

    def assign(self, values: list[Tensor]) -> None:
        """Put values into the parameters."""
        with torch.no_grad():
            for p, v in zip(self.parameters, values, strict=True):
                p.copy_(v)

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """Everything that resuming needs, at the end of an epoch."""
        tensors = {"random": self.generator.get_state()}
        for name, values in (("weight", self.parameters), ("average", self.average), ("best", self.best)):
            tensors |= {f"{name}.{k}": v.detach().clone() for k, v in enumerate(values)}
        for k, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"moment.{k}.{name}": torch.as_tensor(v).clone() for name, v in moments.items()}
        facts = {"problem": self.key, "history": self.history[:], "best_loss": self.best_loss, "waited": self.waited}
        return tensors, facts | {"seconds": self.seconds}

    def checkpoint(self) -> None:
        """Write the state at the last epoch's end, where the problem has a folder."""
        if self.problem.folder is not None and self.snapshot is not None:
            write_checkpoint(self.problem.folder / "checkpoint.safetensors", *self.snapshot)
            self.saved_at = time.monotonic()

    def resume(self) -> None:
        """Take up a checkpoint of the same potential, solver, data and seed, where there is one."""
        if self.problem.folder is None:
            return
        stored = read_checkpoint(self.problem.folder / "checkpoint.safetensors", self.key)
        if stored is None:
            return
        tensors, facts = stored
        self.assign([tensors[f"weight.{k}"] for k in range(len(self.parameters))])
        self.average = [tensors[f"average.{k}"] for k in range(len(self.parameters))]
        self.best = [tensors[f"best.{k}"] for k in range(len(self.parameters))]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("moment."):
                _, k, kind = name.split(".")
                moments.setdefault(int(k), {})[kind] = value
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.generator.set_state(tensors["random"])
        self.history, self.waited = facts["history"], facts["waited"]
        self.best_loss, self.earlier_seconds = facts["best_loss"], facts["seconds"]
        self.snapshot = stored

    def solution(self) -> Solution:
        """Put the best weights in place and say how training ended."""
        self.assign(self.best)
        reason = "every epoch was run"
        if self.solver.patience is not None and self.waited >= self.solver.patience:
            reason = f"the validation loss had not improved for {self.waited} epochs"
        elif len(self.history) < self.solver.epochs:
            reason = f"the time limit of {self.solver.max_minutes} minutes was reached"
        notes = [f"Training ended after {len(self.history)} epochs because {reason}."]
        return Solution(history=self.history, notes=notes, figures={"epochs": len(self.history)})


def _join(items: list[Item]) -> Item:
    first, *others = [item for item, _ in items]
    return first.join(others), Labels.joined([labels for _, labels in items])


def _joined(items: list[Item], size: int = 32) -> list[Item]:
    return [_join(items[start : start + size]) for start in range(0, len(items), size)]
