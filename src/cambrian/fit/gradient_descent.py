"""Gradient descent on mini-batches: Adam and its relatives, a schedule, an average of the weights, early stopping.

    w <- w - η f(t) · Adam(∂L/∂w)        w̄ <- d w̄ + (1 - d) w        the average w̄ is what is judged and kept

D. P. Kingma, J. Ba, arXiv:1412.6980. Fixed descriptors are computed once (contracts/prepared.py); epochs, early
stopping and checkpoints are those of fit/course.py.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from cambrian.errors import UserError
from cambrian.fit.course import Course, EpochSolver, Item, Target, joined
from cambrian.fit.early_weights import EarlyWeights
from cambrian.fit.losses import Loss, MeanSquare
from cambrian.fit.problem import Problem, Weights, loss
from cambrian.fit.schedules import Cosine, Schedule

OPTIMIZERS = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "NAdam": torch.optim.NAdam,
    "RAdam": torch.optim.RAdam,
}


class GradientDescent(EpochSolver):
    """Adam family with schedule, weight average and early stopping.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³; `loss` says what becomes of these in training, while
    epochs are judged by mean squares. `batch_size` counts structures. `validation_fraction` of the training data is
    held out for early stopping where no validation set is given. `patience` is the number of epochs without a better
    validation loss after which training ends; `max_minutes` ends it too, the schedule following, and so do errors as
    small as `target` asks for. `early` are other weights to begin with, which fade with the learning rate. Energies are
    divided by the number of atoms to the power `size_power`: 1/4 is the loss of ANI, 1/2 that of Deep Potentials.
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
        loss: Loss = MeanSquare(),  # noqa: B008 - immutable
        clip: float | None = 10.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
        early: EarlyWeights | None = None,
        size_power: float = 1.0,
    ):
        self.learning_rate, self.epochs, self.batch_size = learning_rate, epochs, batch_size
        self.weights, self.early = Weights(energy_weight, force_weight, stress_weight, size_power), early
        self.optimizer, self.weight_decay, self.schedule = optimizer, weight_decay, schedule
        self.ema, self.loss, self.clip = ema, loss, clip
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Run":
        """Training from the present parameters on."""
        return _Run(self, problem)


class _Run(Course):
    """Parameters, their average, and the moments of the optimizer."""

    solver: GradientDescent

    def __init__(self, solver: GradientDescent, problem: Problem):
        super().__init__(solver, problem)
        self.average = [p.detach().clone() for p in self.parameters]
        self.highest = 0.0  # factor of the schedule so far
        self.rate = solver.learning_rate * (1.0 if problem.warm is None else problem.warm.rate)
        self.optimizer = OPTIMIZERS[solver.optimizer](
            self.parameters, lr=solver.learning_rate, weight_decay=solver.weight_decay
        )

    def advance(self) -> dict[str, float]:
        """One pass over the training data in random order."""
        order = torch.randperm(len(self.train), generator=self.generator).tolist()
        size, total, factor = self.solver.batch_size, 0.0, 0.0
        for start in range(0, len(order), size):
            by_epochs = (len(self.history) + start / len(order)) / self.solver.epochs
            factor = self.solver.schedule.factor(max(self.fraction, by_epochs))
            members = [self.train[k] for k in order[start : start + size]]
            total += self.step(joined(members), factor) * len(members)
        return {"learning_rate": self.rate * factor, "train_loss": total / len(order)}

    def step(self, item: Item, factor: float) -> float:
        """One gradient step at so much of the first learning rate; returns the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.optimizer.zero_grad()
        late, early = self.solver.weights, self.solver.early
        self.highest = max(self.highest, factor)
        weights = late if early is None or not self.highest else early.faded(late, factor / self.highest)
        value = loss(item[0].predict(), item[1], weights, self.solver.loss)
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

    def candidate(self) -> list[Tensor]:
        """The averaged parameters."""
        return [a.clone() for a in self.average]

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Averages and moments."""
        tensors = {f"average.{k}": a.clone() for k, a in enumerate(self.average)}
        for k, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"moment.{k}.{name}": torch.as_tensor(v).clone() for name, v in moments.items()}
        return tensors, {"highest": self.highest}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Averages and moments back in place."""
        self.average = [tensors[f"average.{k}"] for k in range(len(self.parameters))]
        self.highest = facts["highest"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("moment."):
                _, k, kind = name.split(".")
                moments.setdefault(int(k), {})[kind] = value
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
