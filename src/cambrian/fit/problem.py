"""What a solver works on: a potential, labelled structures, and how much each label counts.

    r = ( w_E ΔE/N, w_F ΔF, w_σ Δσ )        residuals; |r|² is what least squares minimises
    L = <r_E²> + <r_F²> + <r_σ²>            loss of a batch: the mean square of each kind over the labels present

A problem offers the loss on prepared batches, stacked residuals, and rows of the linear terms; a solver names what it
needs.
Labels that are absent (NaN) count nowhere.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.evaluate import Prediction
from cambrian.contracts.linear import Linear, Rows
from cambrian.contracts.potential import Potential, Sum, everywhere
from cambrian.contracts.prepared import Prepared, prepare
from cambrian.data.dataset import Dataset, joint_graph
from cambrian.data.labels import Labels
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.fit.losses import Loss, MeanSquare
from cambrian.fit.memory import Estimate, available_memory, feature_bytes
from cambrian.fit.warm_start import WarmStart
from cambrian.graph import Graph
from cambrian.math.voigt import voigt

Progress = Callable[[str, float, str], None]  # stage, fraction done, figures in words
log = logging.getLogger("cambrian")
ROW_ELEMENTS = 2**16  # of rows that are made together


@dataclass(frozen=True)
class Weights:
    """How much each kind of label counts: energy, force and stress components.

    Energies are divided by N^`size_power`: 1 is per atom, 1/2 and 1/4 let larger structures count more.
    """

    energy: float
    force: float
    stress: float
    size_power: float = 1.0


@dataclass
class Problem:
    """A potential to fit, set up on `train` or, where it is `warm`, fitted before.

    `folder` is where a solver keeps its checkpoints. `notes` are sentences for the report that no solver knows of.
    """

    potential: Potential
    train: Dataset
    validation: Dataset | None = None
    seed: int = 0
    folder: Path | None = None
    progress: Progress = field(default=lambda stage, fraction, words: None)
    warm: WarmStart | None = None
    notes: list[str] = field(default_factory=list)
    _keeps: bool | None = field(default=None, init=False, repr=False)

    def linear_terms(self) -> list[Linear]:
        """Linear views of the summands that are linear; raises UserError where another summand could be trained."""
        views = []
        for term in self.potential.terms():
            view = term.linear()
            if view is not None:
                views.append(view)
            elif any(p.requires_grad for p in term.parameters()):
                raise UserError(
                    f"{type(term).__name__} is not linear in its parameters: wrap it in Frozen, "
                    "or choose another solver (GradientDescent, NonlinearLeastSquares)"
                )
        if not views:
            raise UserError("least squares needs a term that is linear in its coefficients (snap, qsnap ...)")
        return views

    def blocks(self, weights: Weights) -> Iterator[tuple[NDArray, NDArray]]:
        """Weighted rows and targets of each structure: energy per atom, forces, stress; absent labels have no row.

        Small structures are computed together, as many as ROW_ELEMENTS let.
        """
        views = self.linear_terms()
        rest = [term for term in self.potential.terms() if term.linear() is None]
        done = 0
        for members in together(self.train, sum(len(view.coefficients) for view in views)):
            graph = joint_graph(members, self.potential.cutoff)
            parts = [view.rows(graph, derivatives=has_derivatives(members[0])) for view in views]
            base = prepare(Sum(rest), graph).predict() if rest else nothing(graph)
            yield from weighted_rows(Labels.of(members), parts, base, weights)
            done += len(members)
            self.progress("rows", done / len(self.train), f"{done} of {len(self.train)} structures")

    def prepared(self, data: Dataset) -> list[tuple[Prepared, Labels]]:
        """Every structure of `data` with all that training does not change computed once.

        Where that would not fit into memory, features are computed again, by batches, whenever they are used: slower,
        but it runs. The log and the notes tell the estimate, for all data of the problem, before the work begins.
        """
        items: list[tuple[Prepared, Labels]] = []
        derivatives, keep = self._has_derivatives, self._keeps_features(data)
        for k, (s, graph) in enumerate(zip(data, data.graphs(self.potential.cutoff), strict=True)):
            items.append((prepare(self.potential, graph, forces=derivatives, keep=keep), Labels.of([s])))
            self.progress("features", (k + 1) / len(data), f"{k + 1} of {len(data)} structures")
        return items

    @property
    def _has_derivatives(self) -> bool:
        return any(has_derivatives(s) for s in self.train)

    def _keeps_features(self, data: Dataset) -> bool:
        """Whether features may stay in memory; estimated once."""
        if self._keeps is None and len(data):
            every = self.train if self.validation is None else self.train + self.validation
            estimate = self._estimate(every)
            self._keeps = estimate is None or estimate.fits
            if estimate is not None:
                log.info("%s", estimate)
                self.notes.append(f"Before the work began: {estimate}.")
        return self._keeps is not False

    def _estimate(self, data: Dataset) -> Estimate | None:
        """What the features of all structures take; None where nothing is stored."""
        cutoff, derivatives = self.potential.cutoff, self._has_derivatives

        def measured(s: Structure, forces: bool) -> int:
            (graph,) = Dataset([s]).graphs(cutoff)
            return prepare(self.potential, graph, forces=forces and derivatives).n_bytes

        if not measured(min(data, key=len), False):
            return None
        return Estimate(feature_bytes(zip(data, data.graphs(cutoff), strict=True), measured), available_memory())

    def hold_out(self, fraction: float) -> None:
        """Move a random part of the training data to the validation set; the potential stays set up on all of it."""
        self.train, self.validation = self.train.split(1 - fraction, seed=self.seed)

    def residuals(self, items: list[tuple[Prepared, Labels]], weights: Weights) -> NDArray:
        """Stacked weighted residuals (prediction - label) of prepared structures at the present parameters."""
        parts = []
        for item, labels in items:
            prediction = item.predict()
            parts += [r.detach().numpy() for r in weighted_residuals(prediction, labels, weights)]
        return np.concatenate(parts)


def nothing(graph: Graph) -> Prediction:
    """What a sum of no potentials predicts."""
    zero = torch.zeros_like
    return Prediction(zero(graph.cell[:, 0, 0]), zero(graph.positions), zero(graph.cell))


def together(data: Dataset, n_columns: int) -> Iterator[list[Structure]]:
    """Structures in order, some at a time: with derivatives or all without, and few enough rows to stay in cache."""
    members: list[Structure] = []
    n_rows = 0
    for s in data:
        more = 3 * len(s) + 7
        if members and (
            (n_rows + more) * n_columns > ROW_ELEMENTS or has_derivatives(s) != has_derivatives(members[0])
        ):
            yield members
            members, n_rows = [], 0
        members.append(s)
        n_rows += more
    if members:
        yield members


def has_derivatives(s: Structure) -> bool:
    """Whether a structure has forces or stress to compare with."""
    return s.forces is not None or s.stress is not None


def weighted_residuals(prediction: Prediction, labels: Labels, weights: Weights) -> list[Tensor]:
    """Energy, force and stress residuals with their weights, absent labels left out; for a batch of structures."""
    atoms_of = labels.n_atoms
    structure = torch.repeat_interleave(torch.arange(len(atoms_of)), atoms_of)
    size = atoms_of.to(prediction.energy.dtype) ** weights.size_power
    energy = weights.energy * labels.energy_weight * (prediction.energy - labels.energy) / size
    found = [energy[torch.isfinite(labels.energy)]]
    if prediction.forces is not None:
        forces = weights.force * labels.force_weight[structure, None] * (prediction.forces - labels.forces)
        found.append(forces[torch.isfinite(labels.forces)])
    if prediction.stress is not None:
        stress = weights.stress * labels.stress_weight[:, None] * voigt(prediction.stress - labels.stress)
        found.append(stress[torch.isfinite(stress)])
    return found


def loss(prediction: Prediction, labels: Labels, weights: Weights, mean: Loss = MeanSquare()) -> Tensor:  # noqa: B008
    """Means of weighted residuals, each over the labels that are present; plus the potential's own penalty."""
    means = [mean(r) for r in weighted_residuals(prediction, labels, weights) if len(r)]
    total = sum(means, start=prediction.energy.new_zeros(()))
    return total if prediction.penalty is None else total + prediction.penalty.mean()


def weighted_rows(
    labels: Labels, parts: list[Rows], base: Prediction, weights: Weights
) -> Iterator[tuple[NDArray, NDArray]]:
    """Weighted rows and targets of each structure of a batch; labels that are absent left out."""
    sizes = labels.n_atoms.numpy()
    factor = weights.energy * labels.energy_weight / labels.n_atoms
    energies = torch.cat([p.energy for p in parts], dim=-1).numpy(), (labels.energy - base.energy).numpy()
    forces, stresses = everywhere(p.forces for p in parts), everywhere(p.stress for p in parts)
    derivatives = None
    if forces and stresses and base.forces is not None and base.stress is not None:
        six = [voigt(p.movedim(-1, 1)).mT.numpy() for p in stresses]  # (structures, 6, columns)
        missing = (labels.forces - base.forces).numpy(), voigt(labels.stress - base.stress).numpy()
        derivatives = [f.numpy() for f in forces], six, *missing
    atom = 0
    for k, n in enumerate(sizes):
        X = np.empty((1 if derivatives is None else 3 * n + 7, energies[0].shape[1]))
        y = np.empty(len(X))
        np.multiply(energies[0][k], float(factor[k]), out=X[0])
        y[0] = float(factor[k]) * energies[1][k]
        if derivatives is not None:
            of_forces, of_stress, force, stress = derivatives
            w_force = weights.force * float(labels.force_weight[k])
            w_stress = weights.stress * float(labels.stress_weight[k])
            start = 0
            for f, s in zip(of_forces, of_stress, strict=True):
                columns = slice(start, start + f.shape[-1])
                np.multiply(f[atom : atom + n], w_force, out=X[1 : 1 + 3 * n, columns].reshape(n, 3, -1))
                np.multiply(s[k], w_stress, out=X[1 + 3 * n :, columns])
                start = columns.stop
            y[1 : 1 + 3 * n] = w_force * force[atom : atom + n].ravel()
            y[1 + 3 * n :] = w_stress * stress[k]
        atom += n
        present = np.isfinite(y)
        yield (X, y) if present.all() else (X[present], y[present])
