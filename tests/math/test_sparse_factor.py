"""Factors that grow a point at a time."""

import torch

from cambrian.math.point_kernels import PowerKernel
from cambrian.math.sparse_factor import factor, grown, left_open


def rows(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_grown_is_the_factor_of_all_points():
    kernel, points, others = PowerKernel(exponent=2).values, rows(3), rows(40, seed=1)
    U = factor(kernel(points, points), 1e-10)
    chosen, larger = grown(U, points, others, kernel, 1e-10, 0.05)
    every = torch.cat([points, others[chosen]])
    assert 3 < len(every) < 40
    assert torch.allclose(larger.mT @ larger, kernel(every, every) + 1e-10 * torch.eye(len(every)), atol=1e-12)
    assert torch.allclose(larger, factor(kernel(every, every), 1e-10), atol=1e-9)


def test_the_least_like_comes_first_and_none_is_left_beyond():
    kernel, points, others = PowerKernel(exponent=2).values, rows(3), rows(40, seed=1)
    U = factor(kernel(points, points), 1e-10)
    before = left_open(U, kernel(others, points))
    chosen, larger = grown(U, points, others, kernel, 1e-10, 0.05)
    assert chosen[0] == int(before.argmax())
    assert len(set(chosen)) == len(chosen)
    after = left_open(larger, kernel(others, torch.cat([points, others[chosen]])))
    assert float(after.max()) <= 0.05**2 + 1e-9
    assert grown(U, points, points, kernel, 1e-10, 0.05)[0] == []


def test_from_no_point_at_all():
    kernel = PowerKernel(exponent=2).values
    chosen, U = grown(torch.zeros(0, 0, dtype=torch.float64), rows(0), rows(6), kernel, 1e-10, 0.3)
    assert len(chosen) == len(U) > 0
