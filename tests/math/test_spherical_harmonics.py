"""Real spherical harmonics against the addition theorem and autograd."""

import numpy as np
import torch
from numpy.polynomial import legendre

from cambrian.math.spherical_harmonics import degrees, spherical_harmonics, spherical_harmonics_and_gradient


def directions() -> torch.Tensor:
    vectors = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    vectors[:2] = torch.tensor([[0, 0, 1.0], [0, 0, -1.0]])  # the poles
    return vectors / vectors.norm(dim=1, keepdim=True)


def test_addition_theorem():
    u = directions()
    values = spherical_harmonics(u, 16)
    cosines = (u @ u.T).numpy()
    for degree in range(17):
        columns = values[:, degrees(16) == degree]
        assert columns.shape[1] == 2 * degree + 1
        expected = legendre.legval(cosines, np.eye(17)[degree])
        np.testing.assert_allclose((columns @ columns.T).numpy(), expected, atol=1e-12)


def test_gradient_equals_autograd_and_values_agree():
    u = directions()
    values, gradient = spherical_harmonics_and_gradient(u, 7)
    torch.testing.assert_close(values, spherical_harmonics(u, 7), rtol=0, atol=0)
    swept = torch.autograd.functional.jacobian(lambda v: spherical_harmonics(v, 7).sum(dim=0), u)
    torch.testing.assert_close(gradient, swept.permute(1, 2, 0), rtol=1e-12, atol=1e-12)
