"""The extrapolation grade: training atoms within 1.01, combinations that no single feature betrays, files, going on."""

import numpy as np
import torch
from planted_linear import noisy, powers, structures

from cambrian.contracts import DescriptorPotential, save
from cambrian.contracts.archive import restore
from cambrian.contracts.extrapolation import ExtrapolationWatch, FeatureRange, extrapolation_of, highest_grade
from cambrian.contracts.grade import beyond, grade, keep_active_set
from cambrian.data import Dataset, Structure
from cambrian.fit import fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.warm_start import WarmStart
from cambrian.graph import graph_of


def squeezed(data: Dataset, factor: float) -> Dataset:
    found = []
    for s in data:
        atoms = s.atoms.copy()
        atoms.set_cell(factor * atoms.cell, scale_atoms=True)
        found.append(Structure(atoms))
    return Dataset(found)


def test_atoms_of_the_training_set_are_inside_and_others_are_not(tmp_path):
    data, potential = noisy(structures(8), 0.02, seed=1), powers()
    fit(potential, data, LeastSquares())
    for severity, grades, found in extrapolation_of(potential, data):
        assert grades.max() <= 1.01 + 1e-5
        assert (severity == 0).all()
        assert found is None
    ((severity, grades, found),) = extrapolation_of(potential, squeezed(data, 0.8)[:1])
    assert grades.max() > 2
    assert (severity >= (grades - 1.02) / 2).all()
    again = restore(powers(), save(potential, tmp_path / "p.safetensors"))
    assert torch.equal(again.combinations, potential.combinations)


def test_the_grade_is_the_largest_weight_in_active_atoms():
    """Solved for the weights by numpy, from the rows [1, G] that M is the inverse of."""
    data, potential = structures(8), powers()
    potential.setup(data)
    keep_active_set(potential, data)
    features, species = potential.environments(squeezed(data, 0.9))
    active = np.linalg.inv(potential.combinations[0].numpy())
    np.testing.assert_allclose(active[:, 0], 1.0, atol=1e-6)  # they are atoms, not made up
    own, _ = potential.environments(data)
    for row in active:
        assert np.abs(own.numpy() - row[1:]).max(axis=1).min() < 1e-6 * np.abs(row[1:]).max()
    rows = np.column_stack([np.ones(len(features)), features.numpy()])
    weights = np.linalg.solve(active.T, rows.T)
    expected = np.abs(weights).max(axis=0)
    np.testing.assert_allclose(grade(potential.combinations, features, species).numpy(), expected, rtol=1e-6)


def test_it_sees_what_no_single_feature_betrays():
    potential = powers(4, 6)
    potential.setup(structures(2))
    t = torch.linspace(-1, 1, 50, dtype=torch.float64)
    shown = torch.stack([t, t + 0.02 * torch.cos(7 * t)], dim=1)  # two features that go together
    potential.environments = lambda data: (shown, torch.zeros(50, dtype=torch.int64))
    potential.lowest, potential.highest = shown.amin(dim=0)[None], shown.amax(dim=0)[None]
    keep_active_set(potential, structures(1))
    known = FeatureRange.stored(potential)
    seen = known.judged(torch.tensor([[0.5, 0.5], [0.5, -0.5]], dtype=torch.float64), torch.tensor([18, 18]))
    assert (seen.outside[:, :2] == 0).all()
    assert seen.outside[0, 2] == 0
    assert seen.outside[1, 2] > 5
    assert seen.worst.feature == "all features together"
    assert "widths outside the training range" in str(seen.worst)
    assert f"grade {float(seen.grades[1]):.3g}" in str(seen.worst)


def test_widths_of_a_grade():
    assert beyond(torch.tensor([0.3, 1.0, 1.01, 2.01, torch.inf])).tolist()[:3] == [0, 0, 0]
    assert torch.allclose(beyond(torch.tensor([2.01, 3.01])), torch.tensor([0.5, 1.0]), atol=1e-5)


def test_it_is_told_while_the_potential_runs():
    data, potential = structures(8), powers()
    fit(potential, data, LeastSquares())
    graph = graph_of(squeezed(data, 0.8)[0].atoms, 5.0)
    with ExtrapolationWatch(potential) as watch:
        potential(graph)
        grades = highest_grade(watch.seen())
    features, species = potential.environments(squeezed(data, 0.8)[:1])
    assert torch.allclose(grades, grade(potential.combinations, features, species), rtol=1e-6)


def test_going_on_keeps_what_was_known_and_a_new_start_forgets():
    first, second, potential = squeezed(structures(6), 0.9), structures(6, seed=7), powers()
    potential.setup(first + second)
    keep_active_set(potential, first)
    before = potential.combinations
    fit(potential, second, LeastSquares(), warm=WarmStart())
    assert not torch.equal(before, potential.combinations)
    new, _ = potential.environments(second)
    active = torch.linalg.inv(before[0])[:, 1:]  # all that is known of the first data
    for features in (new, active):
        nowhere = torch.zeros(len(features), dtype=torch.int64)
        assert float(grade(potential.combinations, features, nowhere).max()) <= 1.01 + 1e-5
    potential.setup(second)
    assert potential.combinations is None
    fit(potential, second, GradientDescent(epochs=1))
    assert potential.combinations is None
    assert isinstance(potential, DescriptorPotential)
