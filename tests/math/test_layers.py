"""Activations beside their closed forms."""

import numpy as np
import torch

from cambrian.math.layers import ACTIVATIONS


def test_celu_and_two_derivatives_in_closed_form():
    points = np.array([-2.0, -0.4, -0.1, -1e-3, -1e-9, 1e-9, 0.3, 5.0])
    x = torch.tensor(points, requires_grad=True)
    value = ACTIVATIONS["celu"](x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    falling = np.exp(np.minimum(points, 0) / 0.1)
    expected = np.maximum(points, 0) + 0.1 * np.expm1(np.minimum(points, 0) / 0.1)
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-14, atol=0)
    np.testing.assert_allclose(first.detach().numpy(), falling, rtol=1e-14, atol=0)
    np.testing.assert_allclose(second.numpy(), np.where(points < 0, falling / 0.1, 0.0), rtol=1e-14, atol=0)


def test_slope_of_celu_at_zero():
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ACTIVATIONS["celu"](x).sum(), x)
    assert float(slope) == 1.0
