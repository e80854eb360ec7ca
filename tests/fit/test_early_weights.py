"""Weights that fade with the learning rate: the prefactors of Deep Potentials, and rates that fall within an epoch."""

import numpy as np
import pytest
import torch
from small_data import argon

from cambrian.contracts.evaluate import Prediction
from cambrian.data import Dataset, Structure
from cambrian.data.labels import Labels
from cambrian.fit import fit
from cambrian.fit.early_weights import EarlyWeights
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.problem import Weights, loss
from cambrian.fit.schedules import Cosine, Exponential, OneCycle
from cambrian.recipes.hdnnp import hdnnp


@pytest.mark.parametrize("factor", [1.0, 0.3, 0.0])
def test_loss_of_deep_potentials(factor):
    """p_E ΔE²/N + p_F |ΔF|²/3N with p = p_limit (1 - f) + p_start f, 0.02 to 1 and 1000 to 1."""
    rng = np.random.default_rng(0)
    structure = Structure(argon(1)[0], energy=-0.7, forces=rng.normal(size=(8, 3)))
    energy, forces = torch.tensor([-0.4], dtype=torch.float64), torch.tensor(rng.normal(size=(8, 3)))
    weights = EarlyWeights(energy=0.02**0.5, force=1000**0.5).faded(Weights(1.0, 1.0, 0.0, 0.5), factor)
    found = loss(Prediction(energy, forces), Labels.of([structure]), weights)
    p_energy, p_force = 1 - factor + 0.02 * factor, 1 - factor + 1000 * factor
    expected = p_energy * 0.3**2 / 8 + p_force * np.square(forces.numpy() - structure.forces).sum() / 24
    assert float(found) == pytest.approx(expected, rel=1e-13)


def test_energies_of_ani_count_by_the_root_of_the_size():
    structure = Structure(argon(1)[0], energy=-0.7)
    energy = torch.tensor([-0.4], dtype=torch.float64)
    found = loss(Prediction(energy), Labels.of([structure]), Weights(1.0, 1.0, 0.0, 0.25))
    assert float(found) == pytest.approx(0.3**2 / 8**0.5, rel=1e-13)


@pytest.mark.parametrize("schedule", [Cosine(warmup=0.2), OneCycle(peak=0.4)])
def test_early_weights_stay_while_the_rate_rises(schedule, monkeypatch):
    """The first steps of a warm-up are early ones, however small their rate; then the weights fade with it."""
    seen, faded = [], EarlyWeights.faded

    def watched(self, late, factor):
        seen.append(factor)
        return faded(self, late, factor)

    monkeypatch.setattr(EarlyWeights, "faded", watched)
    data = Dataset([Structure(a, energy=a.get_potential_energy(), forces=a.get_forces()) for a in argon(10)])
    how = {"batch_size": 1, "validation_fraction": 0.0, "schedule": schedule}
    fit(hdnnp(cutoff=5.0, hidden=(3,))[0], data, GradientDescent(epochs=2, early=EarlyWeights(force=10.0), **how))
    rates = np.array([schedule.factor(k / 20) for k in range(20)])
    assert np.argmax(rates) >= 4
    np.testing.assert_allclose(seen, rates / np.maximum.accumulate(rates), rtol=1e-12)
    assert seen[: np.argmax(rates)] == [1.0] * int(np.argmax(rates))


def test_trains_with_early_weights_and_a_rate_that_falls_within_an_epoch():
    solver = GradientDescent(
        epochs=1, batch_size=1, schedule=Exponential(final=1e-3), early=EarlyWeights(force=10.0), size_power=0.5
    )
    data = Dataset([Structure(a, energy=a.get_potential_energy(), forces=a.get_forces()) for a in argon(12)])
    result = fit(hdnnp(cutoff=5.0, hidden=(3,))[0], data, solver)
    (epoch,) = result.solution.history
    assert epoch["learning_rate"] < 3e-3 * solver.learning_rate
    assert np.isfinite(epoch["validation_force_rmse"])
