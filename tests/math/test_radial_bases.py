"""Radial functions of the cluster expansion against their formulas, and at the cutoff."""

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss

from cambrian.errors import UserError
from cambrian.math.radial_bases import ChebExpCos, ChebPow, SBessel

BASES = [SBessel(), ChebExpCos(lam=4.0), ChebPow(lam=3.0)]


def test_bessel_functions_are_orthonormal():
    nodes, weights = leggauss(120)
    cutoff = 4.3
    r = 0.5 * cutoff * (nodes + 1)
    values = SBessel()(torch.from_numpy(r), cutoff, 9).numpy()
    overlap = np.einsum("r,rn,rm->nm", 0.5 * cutoff * weights * r**2, values, values)
    np.testing.assert_allclose(overlap, np.eye(9), atol=1e-12)


def test_chebyshev_functions_follow_their_formulas():
    r, cutoff = np.linspace(0.3, 4.9, 40), 5.0
    d = r / cutoff
    for n in range(1, 7):
        alone = np.eye(8)[n - 1]
        x = 1 - 2 * (np.exp(-4 * d) - np.exp(-4)) / (1 - np.exp(-4))
        fade = 0.5 * (1 + np.cos(np.pi * d))
        expected = fade if n == 1 else 0.5 * (1 - chebyshev.chebval(x, alone)) * fade
        found = ChebExpCos(lam=4.0)(torch.from_numpy(r), cutoff, 6)[:, n - 1]
        np.testing.assert_allclose(found, expected, atol=1e-14)
        expected = 0.5 * (1 - chebyshev.chebval(2 * (1 - (1 - d) ** 3) - 1, np.eye(8)[n]))
        np.testing.assert_allclose(ChebPow(lam=3.0)(torch.from_numpy(r), cutoff, 6)[:, n - 1], expected, atol=1e-14)


@pytest.mark.parametrize("basis", BASES, ids=lambda b: type(b).__name__)
def test_value_and_slope_vanish_at_the_cutoff(basis):
    r = torch.tensor([5.0 - 1e-7, 5.0, 5.1, 9.0], dtype=torch.float64, requires_grad=True)
    values = basis(r, 5.0, 6)
    (slope,) = torch.autograd.grad(values.sum(), r)
    assert values.shape == (4, 6)
    assert values.abs().max() < 1e-10
    assert slope.abs().max() < 1e-3
    assert (values[1:] == 0).all()


def test_wrong_numbers_are_refused():
    for kind in (ChebExpCos, ChebPow):
        with pytest.raises(UserError, match="lam must be positive"):
            kind(lam=0.0)
