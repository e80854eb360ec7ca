"""Global extended Kalman filter: every parameter learns from one energy or one force component after the other.

    ξ = y_ref - y        H = ∂y/∂w        w <- w + K ξ        (K and the covariance P: math/kalman.py)

y is a total energy, or one Cartesian component of the force on an atom (ξ and H times `force_update_weight`), in the
units of fit/filter_units.py; with several streams an update takes that many of one kind, a column of H for each. Energy
and force updates come in random order. A force component costs a few evaluations of one neighborhood, whatever the size
of the structure (contracts/prepared.py).
T. B. Blank, S. D. Brown, J. Chemom. 8, 391 (1994); S. Singraber, T. Morawietz, J. Behler, C. Dellago, J. Chem. Theory
Comput. 15, 3075 (2019).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cambrian.contracts.prepared import Component, Observed
from cambrian.errors import UserError
from cambrian.fit.candidates import AboveThreshold, Candidates
from cambrian.fit.course import Course, EpochSolver, Item, Target, in_batches
from cambrian.fit.covariance_layout import CovarianceLayout, FullCovariance
from cambrian.fit.filter_memory import FilterMemory, StandardFilter
from cambrian.fit.filter_units import ByNetwork, FilterUnits
from cambrian.fit.objective import columns
from cambrian.fit.problem import Problem, Weights
from cambrian.math.kalman import gain

KINDS = ("energy", "force")
COPIES, COPIES_WITH_CHECKPOINTS = 1.1, 3.1  # of the covariance in memory: writing it takes two more for a moment


class KalmanFilter(EpochSolver):
    """Extended Kalman filter for potentials of up to about 10⁴ parameters; ten to thirty epochs are usual.

    memory: StandardFilter or FadingMemory. candidates: RandomCandidates, WorstFirst or AboveThreshold.
    units: ByNetwork, ByLabels or FixedUnits. covariance: FullCovariance, or ByLayers where n² numbers are too many.
    streams: observations of each update. energy_fraction: the part of all energies used in an epoch;
    force_energy_ratio: force updates for each energy update. repeat_energy: after each force update, one of the energy
    of that structure. energy_weight and force_weight belong to the loss by which epochs are judged (eV/atom, eV/Å).
    """

    def __init__(
        self,
        *,
        epochs: int = 20,
        streams: int = 4,
        energy_fraction: float = 1.0,
        force_energy_ratio: float = 10.0,
        force_update_weight: float = 10.0,
        repeat_energy: bool = False,
        memory: FilterMemory = StandardFilter(),  # noqa: B008 - immutable
        candidates: Candidates = AboveThreshold(),  # noqa: B008 - immutable
        units: FilterUnits = ByNetwork(),  # noqa: B008 - immutable
        covariance: CovarianceLayout = FullCovariance(),  # noqa: B008 - immutable
        energy_weight: float = 5.0,
        force_weight: float = 1.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        if streams < 1 or not 0 < energy_fraction <= 1 or force_energy_ratio < 0:
            raise UserError("a Kalman filter has streams >= 1, 0 < energy_fraction <= 1 and force_energy_ratio >= 0")
        self.epochs, self.streams = epochs, streams
        self.energy_fraction, self.force_energy_ratio = energy_fraction, force_energy_ratio
        self.force_update_weight, self.repeat_energy = force_update_weight, repeat_energy
        self.memory, self.candidates, self.units, self.covariance = memory, candidates, units, covariance
        self.weights = Weights(energy_weight, force_weight, 0.0)
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Filter":
        """Training from the present parameters on."""
        return _Filter(self, problem)


@dataclass(frozen=True)
class Candidate:
    """One observation: its structure, and which component of which force, or None for the energy."""

    structure: int
    component: Component | None


class _Filter(Course):
    """Covariance, and where in the order of candidates the filter stands."""

    solver: KalmanFilter

    def __init__(self, solver: KalmanFilter, problem: Problem):
        super().__init__(solver, problem)
        self.candidates = {"energy": _energies(self.train), "force": _forces(self.train)}
        self.memory_state = solver.memory.start()
        copies = COPIES if problem.folder is None else COPIES_WITH_CHECKPOINTS
        self.covariance = solver.covariance.start(self.parameters, 1 / solver.memory.epsilon, copies=copies)
        self.unit, self.rmse = self._units(), {"energy": 0.0, "force": 0.0}
        energies = len(self.candidates["energy"])
        n_energy = max(1, round(solver.energy_fraction * energies / solver.streams)) if energies else 0
        n_force = round(solver.force_energy_ratio * max(n_energy, 1)) if len(self.candidates["force"]) else 0
        self.schedule = torch.tensor([0] * n_energy + [1] * n_force)
        repeats = n_force if solver.repeat_energy else 0
        self.per_epoch = n_energy + n_force + repeats
        if not self.per_epoch:
            raise UserError("no structure has an energy or forces to learn from")

    def _units(self) -> dict[str, float]:
        """Units of energies and forces from the labels and the potential at its start."""
        energy, labels, start = [], [], []
        for item, known in in_batches(self.train):
            prediction = item.predict()
            energy.append((known.energy - prediction.energy.detach()) / known.n_atoms)
            if prediction.forces is not None:
                labels.append(known.forces.flatten())
                start.append(prediction.forces.detach().flatten()[torch.isfinite(labels[-1])])
        units = self.solver.units.units(_rms(energy), _rms(labels), _rms(start))
        return dict(zip(KINDS, units, strict=True))

    def advance(self) -> dict[str, float]:
        """Energy and force updates in random order."""
        if not self.rmse["energy"] + self.rmse["force"]:
            self.notice(self.validated(self.candidate()))
        queues = {kind: _Queue(self._order(kind)) for kind in KINDS if self.candidates[kind]}
        for k in self.schedule[torch.randperm(len(self.schedule), generator=self.generator)].tolist():
            chosen = self._draw(KINDS[k], queues[KINDS[k]])
            self._update(KINDS[k], chosen)
            if self.solver.repeat_energy and KINDS[k] == "force":
                with_energy = {c.structure for c in chosen} & {c.structure for c in self.candidates["energy"]}
                if with_energy:
                    self._update("energy", [Candidate(s, None) for s in sorted(with_energy)])
        self.covariance.settle()  # at each epoch, not at checkpoints alone: the result is the same to the bit
        return {f"filter_{name}": value for name, value in self.memory_state.items()}

    def notice(self, figures: dict[str, float]) -> None:
        """Errors of the epoch, which the thresholds of the next are measured by."""
        self.rmse = {kind: figures.get(f"{kind}_rmse", 0.0) for kind in KINDS}

    def _order(self, kind: str) -> Tensor:
        found = self.candidates[kind]
        return self.solver.candidates.order(len(found), lambda: self._all_errors(kind), self.generator)

    def _all_errors(self, kind: str) -> Tensor:
        """Present errors of every candidate of a kind, in their order: eV/atom or eV/Å."""
        errors = []
        for item, labels in in_batches(self.train):
            prediction = item.predict()
            if kind == "energy":
                found = (prediction.energy - labels.energy) / labels.n_atoms
            else:
                found = torch.zeros(0) if prediction.forces is None else (prediction.forces - labels.forces).flatten()
            errors.append(found.detach()[torch.isfinite(found)])
        return torch.cat(errors)

    def _draw(self, kind: str, queue: "_Queue") -> list[Candidate]:
        """Candidates for one update; those whose error is too small are drawn again, and the worst drawn is kept."""
        chosen = [self.candidates[kind][k] for k in queue.take(self.solver.streams)]
        limit = self.solver.candidates.threshold(kind) * self.rmse[kind]
        if limit == 0.0 or self.solver.candidates.trials == 1:
            return chosen
        errors = self._errors(kind, chosen)
        for _ in range(self.solver.candidates.trials - 1):
            again = np.flatnonzero(errors <= limit)
            if not len(again):
                break
            others = [self.candidates[kind][k] for k in queue.take(len(again))]
            found = self._errors(kind, others)
            for place, other, error in zip(again, others, found, strict=True):
                if error > errors[place]:
                    chosen[place], errors[place] = other, error
        return chosen

    def _errors(self, kind: str, chosen: list[Candidate]) -> np.ndarray:
        """Absolute errors in eV/atom or eV/Å."""
        residuals = self._residuals(chosen, self._observed(chosen).values())[0].abs().numpy()
        if kind == "energy":
            residuals = residuals / [int(self.train[c.structure][1].n_atoms[0]) for c in chosen]
        return residuals

    def _observed(self, chosen: list[Candidate]) -> Observed:
        first, *others = [self.train[c.structure][0].observe(c.component) for c in chosen]
        return first.join(others)

    def _residuals(self, chosen: list[Candidate], values: Tensor) -> tuple[Tensor, Tensor]:
        """Reference minus prediction, and the weights that the data give to each."""
        targets, weights = [], []
        for c in chosen:
            labels = self.train[c.structure][1]
            is_energy = c.component is None
            targets.append(labels.energy[0] if c.component is None else labels.forces[c.component])
            weights.append(labels.energy_weight[0] if is_energy else labels.force_weight[0])
        return torch.stack(targets) - values.detach(), torch.stack(weights)

    def _update(self, kind: str, chosen: list[Candidate]) -> None:
        """Change parameters and covariance by some observations of a kind."""
        values = self._observed(chosen).values()
        residuals, weights = self._residuals(chosen, values)
        factor = weights / self.unit[kind] * (self.solver.force_update_weight if kind == "force" else 1.0)
        H = (columns(values, self.parameters) * factor).numpy()
        noise = self.solver.memory.noise(self.memory_state, self.per_epoch)
        try:
            K, U = gain(self.covariance, H, noise)
        except (np.linalg.LinAlgError, ValueError):
            raise UserError(
                "the filter's covariance is no longer positive, or labels are broken (inspect); lower "
                "solver.force_update_weight or solver.memory's eta, or raise its epsilon"
            ) from None
        self.covariance.reduce(U)
        self.solver.memory.settle(self.covariance, self.memory_state, self.per_epoch)
        step = torch.from_numpy(K) @ (residuals * factor)
        with torch.no_grad():
            for p, part in zip(self.parameters, step.split([p.numel() for p in self.parameters]), strict=True):
                p += part.view_as(p)

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The covariance (its own memory, not a copy), its noise and the errors of the last epoch."""
        tensors = {f"covariance.{k}": torch.from_numpy(P.T) for k, P in enumerate(self.covariance.stored())}
        return tensors, {"state": dict(self.memory_state), "rmse": self.rmse, "unit": self.unit}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Go on where it stood."""
        self.covariance.put([tensors[f"covariance.{k}"].numpy().T for k in range(len(tensors))])
        self.memory_state, self.rmse, self.unit = dict(facts["state"]), facts["rmse"], facts["unit"]


class _Queue:
    """Candidates in their order, from the beginning again when all were taken."""

    def __init__(self, order: Tensor):
        self._order, self._next = order.tolist(), 0

    def take(self, n: int) -> list[int]:
        places = [(self._next + k) % len(self._order) for k in range(n)]
        self._next = (self._next + n) % len(self._order)
        return [self._order[k] for k in places]


def _energies(items: list[Item]) -> list[Candidate]:
    return [Candidate(s, None) for s, (_, labels) in enumerate(items) if torch.isfinite(labels.energy[0])]


def _forces(items: list[Item]) -> list[Candidate]:
    return [
        Candidate(s, (atom, axis))
        for s, (_, labels) in enumerate(items)
        for atom, axis in torch.nonzero(torch.isfinite(labels.forces)).tolist()
    ]


def _rms(parts: list[Tensor]) -> float:
    values = torch.cat(parts) if parts else torch.zeros(0)
    values = values[torch.isfinite(values)]
    return float(values.square().mean().sqrt()) if len(values) else 0.0
