"""Where a fit goes on the ranges of features reach over the new data, in sums and committees; frozen parts stay."""

import numpy as np
import pytest
import torch
from ase import Atoms
from contracts.subjects import OWN

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import DescriptorPotential
from cambrian.contracts.committee import Committee
from cambrian.contracts.frozen import Frozen
from cambrian.data import Dataset, Structure
from cambrian.regressors.linear import LinearRegressor


def dimers(first: float, last: float) -> Dataset:
    return Dataset(Structure(Atoms("H2", [[0, 0, 0], [r, 0, 0]])) for r in np.linspace(first, last, 5))


def inner() -> DescriptorPotential:
    potential = DescriptorPotential(OWN["RaggedHistogram"].example(), LinearRegressor())
    potential.setup(dimers(1.0, 1.2))
    return potential


@pytest.mark.parametrize(
    ("wrap", "moves"),
    [
        (lambda p: p, True),
        (lambda p: IsolatedAtoms() + p, True),
        (lambda p: Committee([p]), True),
        (lambda p: IsolatedAtoms() + Committee([p]), True),
        (Frozen, False),
        (lambda p: IsolatedAtoms() + Frozen(p), False),
    ],
)
def test_ranges_reach_over_the_new_data(wrap, moves):
    potential, both = inner(), inner()
    before = potential.lowest.clone(), potential.highest.clone()
    both.setup(dimers(1.0, 1.2) + dimers(0.8, 1.0))
    wrap(potential).widen(dimers(0.8, 1.0))
    lowest, highest = (both.lowest, both.highest) if moves else before
    torch.testing.assert_close(potential.lowest, lowest)
    torch.testing.assert_close(potential.highest, highest)
    assert not torch.equal(before[0], both.lowest) or not torch.equal(before[1], both.highest)
