"""L-BFGS: quasi-Newton steps on all training data at once, with a line search for the strong Wolfe conditions.

    w <- w - t B ∇L(w)        B from the last `memory` changes of w and of ∇L

J. Nocedal, S. J. Wright, Numerical Optimization (2006), ch. 3 and 7. There is no noise of batches, so it converges to a
sharp minimum of the training loss: early stopping on the validation set matters more than for other methods.
"""

from typing import Any

import torch
from torch import Tensor

from cambrian.fit.course import Course, EpochSolver, Target
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Problem, Weights

LISTS = ("old_dirs", "old_stps", "ro")
TENSORS = ("d", "H_diag", "prev_flat_grad")


class LBFGS(EpochSolver):
    """Quasi-Newton descent; an epoch is one step, and costs a few evaluations of all training data.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³. B is made of the last `memory` steps.
    """

    def __init__(
        self,
        *,
        epochs: int = 500,
        memory: int = 20,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 0.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        self.epochs, self.memory = epochs, memory
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Steps":
        """Training from the present parameters on."""
        return _Steps(self, problem)


class _Steps(Course):
    """The optimizer and what it remembers of earlier steps."""

    solver: LBFGS
    at_once = True

    def __init__(self, solver: LBFGS, problem: Problem):
        super().__init__(solver, problem)
        self.objective = Objective(self.train, self.parameters, solver.weights)
        self.optimizer = torch.optim.LBFGS(
            self.parameters,
            max_iter=1,
            max_eval=100,
            history_size=solver.memory,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []  # the next step begins where the line search has been

    def advance(self) -> dict[str, float]:
        """One step."""
        before = torch.from_numpy(self.objective.get())
        self.optimizer.step(self._closure)
        after = torch.from_numpy(self.objective.get())
        kept = [s for s in self.seen if torch.equal(s[0], after)]
        self.stuck = torch.equal(before, after) or not bool(torch.isfinite(after).all())
        self.seen = kept[-1:]
        loss = float(kept[-1][1]) if kept else self.objective.value()
        return {"train_loss": loss, "evaluations": self.objective.n_evaluations}

    def _closure(self) -> Tensor:
        place = torch.from_numpy(self.objective.get())
        known = next((s for s in self.seen if torch.equal(s[0], place)), None)
        if known is None:
            value, gradient = self.objective.value_and_gradient()
            known = (place, torch.tensor(value, dtype=torch.float64), torch.from_numpy(gradient))
            self.seen.append(known)
        for p, g in zip(self.parameters, known[2].split([p.numel() for p in self.parameters]), strict=True):
            p.grad = g.view_as(p).clone()
        return known[1].clone()

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Earlier steps."""
        state = self.optimizer.state[self.parameters[0]]
        tensors = {name: torch.as_tensor(state[name]).clone() for name in TENSORS if state.get(name) is not None}
        for name in LISTS:
            tensors |= {f"{name}.{k}": torch.as_tensor(v).clone() for k, v in enumerate(state.get(name) or [])}
        facts = {name: state[name] for name in ("n_iter", "func_evals") if name in state}
        facts |= {name: float(state[name]) for name in ("t", "prev_loss") if name in state}
        return tensors, facts | {"evaluations": self.objective.n_evaluations}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Earlier steps back in place."""
        self.objective.n_evaluations = facts["evaluations"]
        state = self.optimizer.state[self.parameters[0]]
        state.update({name: value for name, value in facts.items() if name != "evaluations"})
        state.update({name: tensors[name] for name in TENSORS if name in tensors})
        for name in LISTS:
            n = sum(key.startswith(f"{name}.") for key in tensors)
            state[name] = [tensors[f"{name}.{k}"] for k in range(n)]
