"""Scaled networks against a network written out by hand, and their beginnings."""

import numpy as np
import pytest
import torch

from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS
from cambrian.regressors.scaled_network import INITIALS, SCALINGS, ScaledNetwork


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(n_species: int = 2, **arguments) -> tuple[ScaledNetwork, torch.Tensor, torch.Tensor]:
    features, species = 3 + 2 * random(40, 7), torch.arange(40) % n_species
    features[species == 1, 6] = 0.0  # padding of the second element
    features[:, 2] = 1.5
    regressor = ScaledNetwork(**arguments)
    regressor.setup(features, species, n_species)
    return regressor, features, species


def scaled(values: np.ndarray, train: np.ndarray, scaling: str, least: float, most: float) -> np.ndarray:
    """Features of one atom as n2p2 scales them, of those that vary."""
    keep = np.ptp(train, axis=0) > 0
    values, train = values[keep], train[:, keep]
    low, high, mean, sigma = train.min(0), train.max(0), train.mean(0), train.std(0, ddof=1)
    return {
        "none": values,
        "center": values - mean,
        "scale": least + (most - least) * (values - low) / (high - low),
        "scale_center": least + (most - least) * (values - mean) / (high - low),
        "sigma": least + (most - least) * (values - mean) / sigma,
    }[scaling]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("averaged", [False, True])
def test_equals_the_network_written_out(scaling, averaged):
    arguments = {"scaling": scaling, "averaged": averaged, "scale_range": (-1.0, 2.0), "energy_scale": 0.7}
    arguments |= {"hidden": ((5, 4), (3,)), "activation": (("tanh", "gaussian"), ("cosine",)), "output": "softplus"}
    regressor, features, species = made(**arguments)
    known = {"tanh": np.tanh, "gaussian": lambda x: np.exp(-(x**2) / 2), "cosine": np.cos}
    known["softplus"] = lambda x: np.log1p(np.exp(x))
    expected = []
    for row, s in zip(features.numpy(), species.tolist(), strict=True):
        train = features[species == s].numpy()
        x, keep = scaled(row, train, scaling, -1.0, 2.0), np.ptp(train, axis=0) > 0
        for k, name in enumerate([("tanh", "gaussian", "softplus"), ("cosine", "softplus")][s]):
            weight, bias = (part.detach().numpy() for part in regressor.layer(k, s))
            weight = weight[keep] if k == 0 else weight
            x = known[name]((x @ weight + bias) / (len(x) if averaged else 1))
        expected.append(0.7 * x[0])
    np.testing.assert_allclose(regressor(features, species).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_columns_that_never_vary_do_not_matter(scaling):
    regressor, features, species = made(scaling=scaling)
    changed = features.clone()
    changed[:, 2] += random(40)
    changed[species == 1, 6] = 9.0
    changed.requires_grad_()
    energies = regressor(changed, species)
    torch.testing.assert_close(energies, regressor(features, species))
    slopes = torch.autograd.grad(energies.sum(), changed, create_graph=True)[0]
    assert (slopes[:, 2] == 0).all()
    curvature = torch.autograd.grad((slopes**2).sum(), [*regressor.parameters(), changed], allow_unused=True)
    assert all(torch.isfinite(c).all() for c in curvature if c is not None)


def test_smaller_networks_never_grow():
    regressor, features, species = made(hidden=((6, 5), (2, 3)))
    optimizer = torch.optim.Adam(regressor.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        regressor(features, species).square().sum().backward()
        optimizer.step()
    first, second = (layer.weight[1] for layer in regressor.layers[:2])
    assert (first[:, 2:] == 0).all()
    assert (second[2:] == 0).all()
    assert (second[:, 3:] == 0).all()


def test_nguyen_widrow_lengths():
    regressor, _, _ = made(hidden=(5, 4), activation=("tanh", "softplus"))
    first, bias = regressor.layer(0, 0)
    torch.testing.assert_close(first.norm(dim=0), torch.full((5,), 2 * 0.7 * 5 ** (1 / 6), dtype=torch.float64))
    assert (bias.abs() <= 2 * 0.7 * 5 ** (1 / 6)).all()
    second, _ = regressor.layer(1, 0)
    torch.testing.assert_close(second.norm(dim=0), torch.full((4,), 0.7 * 4 ** (1 / 5), dtype=torch.float64))
    assert (regressor.layer(2, 0)[0].abs() <= 0.5).all()


@pytest.mark.parametrize("initial", INITIALS)
def test_begins_anew_with_each_seed(initial):
    one, same, other = (made(initial=initial, seed=seed)[0] for seed in (1, 1, 2))
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c) or initial == "glorot"  # which has no biases


def test_networks_are_given_and_taken():
    regressor, features, species = made(hidden=((5, 4), (3,)), averaged=True, scaling="sigma")
    other = ScaledNetwork(**regressor.arguments)
    other.take(regressor.networks())
    assert torch.equal(other(features, species), regressor(features, species))


def test_every_activation_and_relu():
    for name in [*ACTIVATIONS, "relu"]:
        regressor, features, species = made(activation=name, hidden=(4,))
        assert torch.isfinite(regressor(features, species)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scaling": "whiten"}, "no scaling 'whiten'"),
        ({"initial": "zero"}, "no initial 'zero'"),
        ({"activation": "sine"}, "no activation 'sine'"),
        ({"hidden": (0,)}, "at least one node"),
        ({"hidden": (4, 4), "activation": ("tanh",)}, "2 hidden layers need as many activations"),
        ({"hidden": ((4,), (4,), (4,)), "activation": (("tanh",), ("tanh",))}, "3 elements, activation for 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        ScaledNetwork(**arguments)


def test_as_many_shapes_as_elements():
    with pytest.raises(UserError, match="given for 3 elements, and there are 2"):
        made(hidden=((4,), (4,), (4,)))
