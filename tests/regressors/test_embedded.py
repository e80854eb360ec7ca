"""The embedded network against a derivation in numpy, layer by layer."""

import numpy as np
import pytest
import torch

from cambrian.errors import UserError
from cambrian.regressors.embedded import EmbeddedNetwork, Residual, Straight


def swish(x):
    return x / (1 + np.exp(-x))


def in_numpy(network: EmbeddedNetwork, features: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Row by row, with explicit sums over nodes."""
    values = {name: t.detach().numpy() for name, t in network.state_dict().items()}
    energies = []
    for row, s in zip(features, species, strict=True):
        x = np.concatenate([(row - values["center"]) @ values["transform"], values["embedding"][s]])
        for k in range(len(network.hidden) + 1):
            part = {name.split(".")[2]: v for name, v in values.items() if name.startswith(f"layers.{k}.")}
            y = np.array([sum(x[i] * part["weight"][i, j] for i in range(len(x))) for j in range(len(part["bias"]))])
            y = y + part["bias"]
            if "gain" in part:
                mean = sum(y) / len(y)
                variance = sum(v**2 for v in y) / len(y) - mean**2
                y = part["gain"] * (y - mean) / np.sqrt(variance + 1e-6) + part["shift"]
            skipped = x @ part["skip"] if "skip" in part and part["skip"].size else 0.0
            x = swish(y) + skipped
        energies.append(network.energy_scale * x[0])
    return np.array(energies)


@pytest.mark.parametrize("connection", [Straight(), Residual()])
def test_equal_to_numpy(connection):
    rng = np.random.default_rng(3)
    features = rng.normal(size=(40, 9)) @ rng.normal(size=(9, 9)) + 3.0
    species = rng.integers(0, 3, 40)
    network = EmbeddedNetwork(hidden=(6, 5, 5, 4), connection=connection, energy_scale=0.7)
    network.setup(torch.from_numpy(features), torch.from_numpy(species), 3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    found = network(torch.from_numpy(features), torch.from_numpy(species)).detach().numpy()
    np.testing.assert_allclose(found, in_numpy(network, features, species), rtol=1e-10, atol=1e-11)
    assert found.std() > 0.01


def test_published_shape():
    network = EmbeddedNetwork()
    network.setup(torch.randn(50, 90, dtype=torch.float64), torch.zeros(50, dtype=torch.int64), 3)
    sizes = [92, 64, 32, 16, 16, 16, 1]
    of_layers = sum(a * b + b for a, b in zip(sizes, sizes[1:], strict=False))
    of_normalization = 2 * sum(sizes[2:-1])
    assert sum(p.numel() for p in network.parameters()) == of_layers + of_normalization + 3 * 2


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UserError, match="hidden layer"):
        EmbeddedNetwork(hidden=())
    with pytest.raises(UserError, match="n_embedding=0"):
        EmbeddedNetwork(n_embedding=0)
