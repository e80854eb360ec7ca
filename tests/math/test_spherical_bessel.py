"""The radial basis against its formulas with the functions of scipy, and its identities by quadrature."""

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from cambrian.math.spherical_bessel import SphericalBesselBasis, bessel_roots


@pytest.mark.parametrize("n_max", [0, 6, 12])
def test_equal_to_the_formulas_with_the_functions_of_scipy(n_max):
    """f_n at distances that are no nodes, from g_n by the inverse of the recursion."""
    cutoff = 4.3
    basis, r = SphericalBesselBasis(n_max, cutoff), np.concatenate([[1e-6], np.linspace(0.02, 4.29, 301)])
    g = dict(zip(basis.orders, basis(torch.from_numpy(r)).numpy().T, strict=True))
    for degree in range(n_max + 1):
        u = np.array(bessel_roots(degree, n_max + 2)[degree])
        d = 1.0
        for n in range(n_max - degree + 1):
            first, second = (
                spherical_jn(degree, u[k] * r / cutoff) / spherical_jn(degree + 1, u[k]) for k in (n, n + 1)
            )
            f = np.sqrt(2 / cutoff**3 / (u[n] ** 2 + u[n + 1] ** 2)) * (u[n + 1] * first - u[n] * second)
            found = g[n + degree, degree]
            if n > 0:
                e = (u[n - 1] * u[n + 1]) ** 2 / ((u[n - 1] ** 2 + u[n] ** 2) * (u[n] ** 2 + u[n + 1] ** 2))
                before, d = d, 1 - e / d
                found = np.sqrt(d) * found - np.sqrt(e / before) * g[n - 1 + degree, degree]
            np.testing.assert_allclose(found, f, rtol=0, atol=1e-12)


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
