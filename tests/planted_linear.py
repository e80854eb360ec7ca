"""Argon labelled by a linear model of known coefficients, noise on demand, and the rows of a problem written out."""

from dataclasses import replace

import numpy as np
import torch
from own_model import InversePowers
from small_data import argon

from cambrian.contracts import DescriptorPotential, evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor

POWERS = (4, 6, 9, 12)


def powers(*some: int) -> DescriptorPotential:
    return DescriptorPotential(InversePowers(cutoff=5.0, powers=list(some or POWERS)), LinearRegressor())


def structures(n: int, seed: int = 0) -> Dataset:
    """Argon with the labels of a linear model whose coefficients are known, without noise."""
    atoms = argon(n, seed=seed, size=1, spread=0.2)
    for a in atoms:
        a.calc = None
    truth = known_truth(Dataset([Structure(a) for a in atoms]))
    predictions = [evaluate(truth, graph_of(a, 5.0)) for a in atoms]
    return Dataset(
        Structure(a, energy=float(p.energy[0]), forces=p.forces.numpy(), stress=p.stress[0].numpy(), frame=k)
        for k, (a, p) in enumerate(zip(atoms, predictions, strict=True))
    )


def known_truth(data: Dataset) -> DescriptorPotential:
    truth = powers()
    truth.setup(data)
    truth.linear().coefficients = torch.tensor([-0.3, 0.02, -0.2, 0.05, 0.1], dtype=torch.float64)
    return truth


def noisy(data: Dataset, deviation: float, seed: int) -> Dataset:
    """Forces with Gaussian noise, and nothing else to learn from but an exact energy."""
    rng = np.random.default_rng(seed)
    return data.map(lambda s: replace(s, stress=None, forces=s.forces + rng.normal(0, deviation, s.forces.shape)))


def rows_of(potential, data: Dataset, weights=(3.0, 1.0, 0.5)):
    """Weighted rows and targets, written out by hand from the rows of each structure."""
    (view,) = (v for t in potential.terms() if (v := t.linear()) is not None)
    X, y = [], []
    voigt = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
    for s in data:
        rows = view.rows(graph_of(s.atoms, potential.cutoff))
        X += [weights[0] * rows.energy.numpy() / len(s), weights[1] * rows.forces.flatten(0, 1).numpy()]
        y += [[weights[0] * s.energy / len(s)], weights[1] * s.forces.ravel()]
        if s.stress is not None:
            X.append(weights[2] * rows.stress[0].numpy()[voigt])
            y.append(weights[2] * s.stress[voigt])
    return np.concatenate(X), np.concatenate(y)
