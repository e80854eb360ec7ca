"""Spherical Bessel functions against scipy, and the radial basis against its identities by quadrature."""

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from cambrian.math.spherical_bessel import SphericalBesselBasis, bessel_roots, spherical_bessel


@pytest.mark.parametrize("degree", range(13))
def test_equal_to_scipy(degree):
    x = np.concatenate([[0.0, 1e-9, 1e-3], np.linspace(0.01, 60.0, 2001), [degree + 2 - 1e-9, degree + 2 + 1e-9]])
    found = spherical_bessel(torch.from_numpy(x), degree).numpy()
    np.testing.assert_allclose(found, spherical_jn(degree, x), rtol=1e-11, atol=3e-15)


@pytest.mark.parametrize("degree", [0, 1, 4, 9])
def test_derivatives_equal_scipy_and_the_differential_equation(degree):
    x = torch.linspace(0.05, 40, 400, dtype=torch.float64, requires_grad=True)
    value = spherical_bessel(x, degree)
    slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
    curvature = torch.autograd.grad(slope.sum(), x)[0]
    np.testing.assert_allclose(slope.detach(), spherical_jn(degree, x.detach().numpy(), derivative=True), atol=1e-13)
    residual = x**2 * curvature + 2 * x * slope + (x**2 - degree * (degree + 1)) * value
    assert float(residual.detach().abs().max()) < 1e-10


def test_roots():
    for degree, roots in enumerate(bessel_roots(8, 6)):
        assert len(roots) == 6
        assert (np.diff(roots) > 0).all()
        np.testing.assert_allclose(spherical_jn(degree, roots), 0, atol=1e-14)
        assert np.diff(np.sign(spherical_jn(degree, np.linspace(1e-3, roots[-1] + 0.1, 4000)))).nonzero()[0].size == 6


@pytest.mark.parametrize("n_max", [0, 4, 8])
def test_orthonormal(n_max):
    cutoff = 3.7
    basis = SphericalBesselBasis(n_max, cutoff)
    nodes, weights = np.polynomial.legendre.leggauss(120)
    r = 0.5 * cutoff * (nodes + 1)
    g = basis(torch.from_numpy(r)).numpy()
    overlap = (g * (0.5 * cutoff * weights * r**2)[:, None]).T @ g
    assert len(basis.orders) == (n_max + 1) * (n_max + 2) // 2
    for a, (n, degree) in enumerate(basis.orders):
        for b, (m, k) in enumerate(basis.orders):
            if degree == k:
                assert overlap[a, b] == pytest.approx(float(n == m), abs=1e-12)


def test_value_slope_and_curvature_vanish_at_the_cutoff():
    cutoff, step = 4.0, 1e-4
    basis = SphericalBesselBasis(6, cutoff)
    r = torch.tensor([cutoff - step], dtype=torch.float64, requires_grad=True)
    for column in basis(r)[0]:
        slope = torch.autograd.grad(column, r, create_graph=True)[0]
        curvature = torch.autograd.grad(slope.sum(), r, create_graph=True)[0]
        third = abs(float(torch.autograd.grad(curvature.sum(), r, retain_graph=True)[0]))
        assert third > 1e-2  # the next derivative does not vanish, and sets the size of the others
        column, slope, curvature = column.detach(), slope.detach(), curvature.detach()
        assert abs(float(column)) < 1.01 * third * step**3 / 6 + 1e-12
        assert abs(float(slope)) < 1.01 * third * step**2 / 2 + 1e-11
        assert abs(float(curvature)) < 1.01 * third * step + 1e-9
    assert float(basis(torch.tensor([cutoff, 9.0], dtype=torch.float64)).abs().max()) == 0
