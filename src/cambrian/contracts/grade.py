"""Extrapolation of all features together: the grade of an atom by the active set of the training set (D-optimality).

    γ_i = max_j |[1, G_i] M|_j          M = A⁻¹ for each element, A: the rows [1, G] of largest volume (math/maxvol.py)

Each column of M is a combination of features that lies between -1.01 and 1.01 for every atom of the training set, so
that γ - 1.01 over 2 is how far outside its range the worst of them lies, in widths: the same unit as of one feature
(contracts/extrapolation.py). Ranges of single features miss what only their combination gives away. Directions in which
features vary by less than FLOOR of their ranges count as not shown.

E. V. Podryabinkin, A. V. Shapeev, Comput. Mater. Sci. 140, 171 (2017), there on the basis functions of the fit.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.data.dataset import Dataset
from cambrian.math.maxvol import EDGE, active_rows

LEAST_WIDTH = 1e-3  # of the widest range of an element: a feature that varies less counts with this
FLOOR = 1e-3
MOST_FEATURES = 2000  # the model file grows by 8 bytes times their square for each element


def keep_active_set(term: DescriptorPotential, train: Dataset) -> None:
    """Let a term know its active set, chosen among the rows of an earlier one too; none for too many features.

    Where a fit goes on, the active rows of before stay inside; others of the old data are no longer looked at.
    """
    if term.descriptor.per != "atom" or term.descriptor.n_features > MOST_FEATURES or not len(train):
        term.combinations = None
        return
    features, species = term.environments(train)
    known = term.combinations
    found = []
    for s in range(len(term.elements)):
        own = features[species == s].cpu().double().numpy()
        before = None if known is None else np.linalg.inv(known[s].cpu().double().numpy())
        found.append(_combinations(own, before))
    term.combinations = torch.from_numpy(np.stack(found)).to(features)


def grade(
    combinations: Float[Tensor, "species columns columns"],
    features: Float[Tensor, "atoms features"],
    species: Int[Tensor, "atoms"],
) -> Float[Tensor, "atoms"]:
    """γ of each atom: at most 1.01 inside what the training set spans."""
    found = features.new_zeros(len(features))
    for s, M in enumerate(combinations):
        mine = (species == s).nonzero()[:, 0]
        values = M[0] + features[mine] @ M[1:]
        found[mine] = values.abs().amax(dim=1)
    return found.nan_to_num(nan=torch.inf)


def beyond(graded: Float[Tensor, "atoms"]) -> Float[Tensor, "atoms"]:
    """Grades as widths outside the range; zero inside."""
    return ((graded - EDGE - 1e-6) / 2).clamp(min=0.0)


def _combinations(features: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """M of one element, in units of its features; `before` (rows [1, G]) are those of an earlier active set."""
    n = features.shape[1] + 1
    rows = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    every = rows if before is None else np.concatenate([rows, before])
    if not len(every):
        return np.full((n, n), np.nan)
    high, low = every[:, 1:].max(axis=0), every[:, 1:].min(axis=0)
    half = (high - low) / 2
    half = np.maximum(half, max(LEAST_WIDTH * half.max(initial=0.0), 1e-12))
    scaling = np.diag(np.concatenate([[1.0], 1 / half]))
    scaling[0, 1:] = -(high + low) / 2 / half
    floor = FLOOR * np.eye(n)
    active = active_rows(every @ scaling, floor)
    return scaling @ np.linalg.inv(active)
