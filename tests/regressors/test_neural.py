"""Neural regressor against a network written out by hand, and at its edges."""

import numpy as np
import pytest
import torch

from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS
from cambrian.regressors.neural import NeuralRegressor


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(n_species: int = 2, **arguments) -> tuple[NeuralRegressor, torch.Tensor, torch.Tensor]:
    features, species = 3 + 2 * random(40, 7), torch.arange(40) % n_species
    regressor = NeuralRegressor(**arguments)
    regressor.setup(features, species, n_species)
    return regressor, features, species


def test_equals_the_network_written_out():
    regressor, features, species = made(hidden=(5, 4), energy_scale=0.7)
    with torch.no_grad():
        for p in regressor.parameters():
            p.copy_(random(*p.shape, seed=3))
    expected = []
    for row, s in zip(features.numpy(), species.tolist(), strict=True):
        x = (row - regressor.center[s].numpy()) @ regressor.transform[s].numpy()
        for k in range(3):
            weight = regressor.layers[k].weight[s].detach().numpy()
            x = x @ weight + regressor.layers[k].bias[s].detach().numpy()
            x = np.tanh(x) if k < 2 else x
        expected.append(0.7 * x[0])
    np.testing.assert_allclose(regressor(features, species).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("whitening", [1e-9, 0.3])
def test_inputs_are_uncorrelated(whitening):
    features = random(500, 4) @ random(4, 4, seed=1) * torch.tensor([1e3, 1.0, 1e-3, 5.0]) + 7.0
    regressor = NeuralRegressor(whitening=whitening)
    regressor.setup(features, torch.zeros(500, dtype=torch.int64), 1)
    inputs = ((features - regressor.center[0]) @ regressor.transform[0]).numpy()
    correlations = np.linalg.eigvalsh(np.corrcoef(features.numpy().T))
    expected = correlations / (correlations + whitening * correlations.max())
    np.testing.assert_allclose(np.cov(inputs.T), np.diag(expected), rtol=1e-6, atol=5e-3)


def test_columns_that_never_vary_do_not_matter():
    regressor, features, species = made(hidden=(5,))
    features[:, 2] = 1.5
    features[species == 1, 6] = 0.0  # padding of the second element
    regressor.setup(features, species, 2)
    before = regressor(features, species)
    changed = features.clone()
    changed[:, 2] += random(40)
    changed[species == 1, 6] = 9.0
    torch.testing.assert_close(regressor(changed, species), before)
    assert torch.isfinite(before).all()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations_have_two_derivatives(activation):
    regressor, features, species = made(hidden=(3,), activation=activation)
    leaf = features[:4].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: regressor(x, species[:4]), leaf, atol=1e-6)


def test_seed_decides_the_weights():
    weights = [made(seed=seed)[0].layers[0].weight for seed in (1, 1, 2)]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert not torch.equal(weights[0], weights[2])


def test_empty_batches_and_absent_elements():
    regressor, features, _ = made(n_species=3, hidden=(4,))
    none = torch.zeros(0, dtype=torch.int64)
    energies = regressor(features[:0].requires_grad_(), none)
    assert energies.shape == (0,)
    energies.sum().backward()
    only_last = regressor(features[:5], torch.full((5,), 2))
    assert only_last.shape == (5,)
    fresh = NeuralRegressor(hidden=(4,))
    fresh.setup(features[:1], torch.zeros(1, dtype=torch.int64), 2)  # one atom of one element, none of the other
    assert torch.isfinite(fresh(features[:2], torch.tensor([0, 1]))).all()


def test_order_of_rows_does_not_matter():
    regressor, features, species = made(n_species=3)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(regressor(features, species)[order], regressor(features[order], species[order]))


def test_wrong_arguments_are_refused():
    with pytest.raises(UserError, match="activation"):
        NeuralRegressor(activation="relu")
    with pytest.raises(UserError, match="node"):
        NeuralRegressor(hidden=(10, 0))
