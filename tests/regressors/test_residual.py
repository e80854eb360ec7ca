"""The residual network against the formula by hand, and that depth does not hinder it."""

import numpy as np
import pytest
import torch

from cambrian.errors import UserError
from cambrian.regressors.residual import ResidualNetwork


def made(**how):
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 6)))
    species = torch.arange(40) % 2
    network = ResidualNetwork(width=4, depth=3, timestep=0.3, **how)
    network.setup(features, species, 2)
    return network, features, species


def test_is_the_formula():
    network, features, species = made(energy_scale=2.0)
    found = network(features, species).detach()
    for row, s, energy in zip(features.numpy(), species.tolist(), found.tolist(), strict=True):
        W = [layer.weight[s].detach().numpy() for layer in network.layers]
        b = [layer.bias[s].detach().numpy() for layer in network.layers]
        x = (row - network.center[s].numpy()) @ network.transform[s].numpy()
        x = np.tanh(x @ W[0] + b[0])
        for k in (1, 2):
            x = x + 0.3 * np.tanh(x @ W[k] + b[k])
        assert energy == pytest.approx(2.0 * (x @ W[3] + b[3])[0], abs=1e-12)


def test_gradients_reach_the_first_layer_of_a_deep_network():
    features, species = torch.randn(30, 5, dtype=torch.float64), torch.zeros(30, dtype=torch.int64)
    network = ResidualNetwork(width=6, depth=30, timestep=0.2)
    network.setup(features, species, 1)
    network(features, species).square().sum().backward()
    slopes = [layer.weight.grad.norm() for layer in network.layers]
    assert slopes[0] > 1e-2 * slopes[-1]


def test_faults_are_said():
    with pytest.raises(UserError, match="no activation 'relu'"):
        ResidualNetwork(activation="relu")
    with pytest.raises(UserError, match="a width and a depth"):
        ResidualNetwork(depth=0)
