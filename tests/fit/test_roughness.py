"""The ridge grows with the roughness that a basis tells of its functions."""

import numpy as np
import torch
from own_model import InversePowers
from planted_linear import noisy, rows_of, structures

from cambrian.contracts import DescriptorPotential
from cambrian.fit import fit
from cambrian.fit.least_squares import LeastSquares
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.quadratic import QuadraticRegressor


class RoughPowers(InversePowers):
    """Inverse powers that are the rougher the higher."""

    def roughness(self):
        return torch.tensor([self.powers], dtype=torch.float64) ** 2

    @classmethod
    def example(cls):
        return cls()


def rough() -> DescriptorPotential:
    return DescriptorPotential(RoughPowers(cutoff=5.0, powers=[4, 6, 9, 12]), LinearRegressor())


def test_the_ridge_of_a_coefficient_grows_with_the_square_of_its_roughness():
    data, potential = noisy(structures(6), 0.02, seed=1), rough()
    fit(potential, data, LeastSquares(energy_weight=3.0, ridge=1e-3))
    X, y = rows_of(potential, data)
    gamma = np.array([1.0, 1.0, 36 / 16, 81 / 16, 144 / 16])
    penalty = 1e-3 * np.diag(gamma**2 * np.square(X).sum(axis=0))
    expected = np.linalg.solve(X.T @ X + penalty, X.T @ y)
    np.testing.assert_allclose(potential.linear().coefficients.numpy(), expected, rtol=1e-8)


def test_every_element_has_its_block_and_products_have_the_sum():
    features, species = torch.ones(4, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    for regressor, expected in [
        (LinearRegressor(), [1.0, 1.0, 3.0]),
        (QuadraticRegressor(), [1.0, 1.0, 3.0, 2.0, 4.0, 6.0]),  # constant, G1, G2, G1², G1 G2, G2²
    ]:
        regressor.setup(features, species, 2)
        alike = regressor.roughness(torch.tensor([[2.0, 6.0]], dtype=torch.float64))
        assert alike.tolist() == 2 * expected
        own = regressor.roughness(torch.tensor([[2.0, 6.0], [4.0, 2.0]], dtype=torch.float64))
        assert own[: len(expected)].tolist() == expected
        assert own[len(expected) :][:3].tolist() == [1.0, 2.0, 1.0]
