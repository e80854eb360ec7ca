"""Losses against their formulas, far and near, and in a fit with outliers."""

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.classical.element_shifts import ElementShifts
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.losses import Huber, LogCosh, Loss, MeanSquare


def test_formulas():
    r = np.array([-2.0, -0.3, 0.0, 0.004, 0.02, 1.0])
    residuals = torch.from_numpy(r)
    assert float(MeanSquare()(residuals)) == pytest.approx(np.mean(r**2))
    assert float(LogCosh(steepness=10)(residuals)) == pytest.approx(np.mean(np.log(np.cosh(10 * r)) / 10), rel=1e-12)
    bent = np.where(abs(r) < 0.01, r**2 / 0.02, abs(r) - 0.005)
    assert float(Huber(width=0.01)(residuals)) == pytest.approx(np.mean(bent), rel=1e-12)


@pytest.mark.parametrize("loss", [MeanSquare(), LogCosh(), Huber()])
def test_gradients_are_finite_and_point_down(loss):
    residuals = torch.tensor([-1e6, -1.0, -1e-9, 0.0, 1e-9, 1.0, 1e6], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(loss(residuals), residuals)[0]
    assert torch.isfinite(slope).all()
    assert torch.equal(slope.sign(), residuals.detach().sign())


def test_log_cosh_far_away_is_the_mean_absolute_error():
    residuals = torch.tensor([1e4, -1e4], dtype=torch.float64)
    assert float(LogCosh()(residuals)) == pytest.approx(1e4 - np.log(2) / 10, rel=1e-12)


def level(loss: Loss) -> float:
    """The constant, eV/atom, that fits energies of which four are 1 and one is 4."""
    dimer = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]])
    structures = [Structure(dimer.copy(), energy=2 * e) for e in (1.0, 1.0, 4.0, 1.0, 1.0)]
    solver = GradientDescent(
        learning_rate=5e-2, epochs=300, batch_size=5, energy_weight=1.0, loss=loss, validation_fraction=0, ema=0.5
    )
    potential = fit(ElementShifts(), Dataset(structures), solver).potential
    return float(potential.by_element().detach()[0])


def test_squares_find_the_mean_and_the_others_nearly_the_median():
    assert level(MeanSquare()) == pytest.approx(1.6, abs=1e-3)
    # slopes balance where 4 tanh(κ x) = 1
    assert level(LogCosh(steepness=10.0)) == pytest.approx(1.0 + np.arctanh(0.25) / 10, abs=1e-3)
    assert level(Huber(width=0.1)) == pytest.approx(1.0 + 0.1 / 4, abs=1e-3)


def test_widths_must_be_positive():
    with pytest.raises(UserError, match="steepness must be above 0"):
        LogCosh(steepness=0.0)
    with pytest.raises(UserError, match="width must be above 0"):
        Huber(width=-1.0)
