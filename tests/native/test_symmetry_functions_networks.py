"""Whole potentials on fused symmetry functions: networks inside the sweep, ghosts, and the calculator."""

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.fused import FusedRegressor
from cambrian.descriptors.acsf import ACSF
from cambrian.graph import graph_of
from cambrian.math.layers import ACTIVATIONS
from cambrian.math.symmetry_grids import ImbalzanoShifted, Points
from cambrian.math.symmetry_sets import Narrow, Radial, Wide
from cambrian.native import library
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor
from cambrian.regressors.scaled_network import ScaledNetwork

pytestmark = pytest.mark.skipif(not library.available(), reason="the compiled kernels are not installed")


@pytest.fixture
def crystal():
    """Twenty atoms of three elements at random in a skewed cell."""
    rng = np.random.default_rng(0)
    cell = np.array([[6.0, 0, 0], [1.8, 5.4, 0], [-1.2, 0.6, 6.6]])
    return Atoms(rng.choice([1, 6, 8], 20), scaled_positions=rng.random((20, 3)), cell=cell, pbc=True)


def potential(regressor, atoms):
    grid = Points([[0.05, 0.0], [0.4, 1.0]])
    sets = [Radial(ImbalzanoShifted(3)), Narrow(grid, zetas=(1, 4), cutoff=3.0), Wide(grid, zetas=(2,))]
    made = DescriptorPotential(ACSF(cutoff=4.0, functions=sets), regressor)
    made.elements = made.descriptor.elements = torch.tensor([1, 6, 8])
    graph = graph_of(atoms, 4.0)
    species = torch.searchsorted(made.elements, graph.numbers)
    regressor.setup(made.descriptor.features(graph).detach(), species, 3)
    return made


def same(found, expected):
    for name in ("energy", "forces", "stress", "atomic_energies"):
        x, y = getattr(found, name), getattr(expected, name)
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-11 * float(y.abs().max().clamp(min=1.0)))


REGRESSORS = {
    **{f"neural, {name}": NeuralRegressor(hidden=(7, 9), activation=name) for name in ACTIVATIONS},
    "no hidden layer": NeuralRegressor(hidden=()),
    "averaged": ScaledNetwork(hidden=(6, 5), scaling="sigma", averaged=True, energy_scale=2.0),
    "scaled": ScaledNetwork(hidden=(11,), scaling="scale", scale_range=(-1.0, 1.0)),
    "shapes of elements": ScaledNetwork(hidden=((4, 3), (9,), (5, 5))),
    "linear": LinearRegressor(),
}


@pytest.mark.parametrize("regressor", REGRESSORS.values(), ids=REGRESSORS)
def test_native_route_equals_the_truth(crystal, regressor):
    made = potential(regressor, crystal)
    graph = graph_of(crystal, 4.0)
    same(made.native()(graph), evaluate(made, graph))


def test_networks_run_inside_the_sweep(crystal):
    made = potential(NeuralRegressor(hidden=(7, 9)), crystal)
    graph = graph_of(crystal, 4.0)
    swept = FusedRegressor(made.descriptor.kernel(), made.regressor)(graph, made.species(graph), True)
    torch.testing.assert_close(swept[2], made.descriptor.features(graph), rtol=1e-12, atol=1e-12)


def test_a_changed_weight_is_noticed(crystal):
    made = potential(NeuralRegressor(hidden=(7, 9)), crystal)
    graph, route = graph_of(crystal, 4.0), made.native()
    before = route(graph).energy
    with torch.no_grad():
        made.regressor.layers[0].weight += 0.1
    same(route(graph), evaluate(made, graph))
    assert route(graph).energy != before


def test_ghosts_exert_no_forces(crystal):
    made = potential(NeuralRegressor(hidden=(7, 9)), crystal)
    graph = graph_of(crystal, 4.0)
    graph.owned[5:] = False
    same(made.native()(graph), evaluate(made, graph))


def test_an_observer_sees_the_features(crystal):
    made = potential(NeuralRegressor(hidden=(7, 9)), crystal)
    graph, seen = graph_of(crystal, 4.0), []
    made.observer = lambda graph, features: seen.append(features)
    made.native()(graph)
    torch.testing.assert_close(seen[0], made.descriptor.features(graph), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_calculator_equals_evaluate(crystal, n_threads, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = potential(NeuralRegressor(hidden=(7, 9)), crystal)
    library.set_threads(n_threads)
    try:
        crystal.calc = Calculator(made)
        energy, forces = crystal.get_potential_energy(), crystal.get_forces()
    finally:
        library.set_threads(0)
    truth = evaluate(made, graph_of(crystal, 4.0))
    assert energy == pytest.approx(float(truth.energy), rel=1e-12)
    np.testing.assert_allclose(forces, truth.forces.numpy(), atol=1e-11)
    assert list(tmp_path.glob("cambrian/checked-*"))  # the engine has compared both routes and remembers
