"""Radial functions and coefficients together: planted ones are found, and what cannot be fitted so is refused."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.potential import Potential
from cambrian.data import Dataset, Structure
from cambrian.descriptors.moment_tensors import MomentTensors
from cambrian.errors import UserError
from cambrian.fit.fit import fit
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.variable_projection import ShapeSlopes, VariableProjection
from cambrian.graph import graph_of
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.quadratic import QuadraticRegressor

compiled = pytest.mark.skipif(not available(), reason="the compiled loops are not here")
CUTOFF = 4.0


def structures(n: int = 14) -> Dataset:
    rng = np.random.default_rng(0)
    found = []
    while len(found) < n:
        atoms = Atoms([14, 8, 14, 8, 14, 14, 8], positions=rng.uniform(0, 4.2, (7, 3)), cell=np.eye(3) * 4.6, pbc=True)
        if atoms.get_all_distances(mic=True)[np.triu_indices(7, 1)].min() > 1.2:
            found.append(Structure(atoms))
    return Dataset(found)


def potential(data: Dataset, regressor=None) -> DescriptorPotential:
    found = DescriptorPotential(MomentTensors(cutoff=CUTOFF, level=8, n_radial=4), regressor or LinearRegressor())
    found.setup(data)
    return found


def labelled(truth: Potential, data: Dataset) -> Dataset:
    def label(s: Structure) -> Structure:
        p = evaluate(truth, graph_of(s.atoms, truth.cutoff))
        assert p.forces is not None
        assert p.stress is not None
        return replace(s, energy=float(p.energy[0]), forces=p.forces.numpy(), stress=p.stress[0].numpy())

    return Dataset([label(s) for s in data])


def planted(data: Dataset, size: float = 0.3) -> DescriptorPotential:
    """Other radial functions than the first guess, and coefficients of their own."""
    truth, generator = potential(data), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in (truth.descriptor.radial, truth.regressor.coefficients):
            noise = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            p.copy_(p + size * noise * (p.abs().mean() if bool(p.any()) else 1.0))
    return truth


@compiled
def test_planted_radial_functions_are_found():
    data = structures()
    data = labelled(planted(data), data)
    linear = LeastSquares(ridge=1e-14)
    before = fit(potential(data), data, linear).parts["train"].errors.figures()
    result = fit(potential(data), data, VariableProjection(linear=linear, passes=25, tolerance=1e-12))
    after = result.parts["train"].errors.figures()
    assert after["force_rmse"] < 1e-3 * before["force_rmse"]
    assert after["energy_rmse"] < 1e-2 * before["energy_rmse"]
    rms = [row["weighted_rms"] for row in result.solution.history]
    assert all(b < a for a, b in zip(rms, rms[1:], strict=False))


@compiled
def test_slopes_are_derivatives_by_the_radial_coefficients():
    """Rows against automatic differentiation of the truth."""
    data = structures(1)
    term = planted(data)
    graph = graph_of(data[0].atoms, CUTOFF)
    rows = ShapeSlopes(term).rows(graph)
    trained = deepcopy(term)
    trained.descriptor.radial.requires_grad_()
    prediction = evaluate(trained, graph, training=True)
    for found, values in ((rows.energy[0], prediction.energy), (rows.forces[2, 1], prediction.forces[2, 1])):
        expected = torch.autograd.grad(values.sum(), trained.descriptor.radial, retain_graph=True)[0].flatten()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@compiled
def test_what_was_fitted_is_linear_and_kept(tmp_path):
    """The fitted potential has a posterior and its ranges belong to the new radial functions."""
    data = structures(6)
    data = labelled(planted(data), data)
    found = fit(potential(data), data, VariableProjection(passes=3)).potential
    assert found.linear() is not None
    assert found.posterior is not None
    lowest, highest = found.ranges(data)
    torch.testing.assert_close(found.lowest, lowest)
    torch.testing.assert_close(found.highest, highest)


def test_other_potentials_are_refused():
    data = structures(2)
    data = labelled(planted(data), data)
    with pytest.raises(UserError, match="LeastSquares"):
        fit(potential(data, QuadraticRegressor()), data, VariableProjection())
