"""Short routes of pairs and constants against differentiation."""

import numpy as np
import torch
from ase import Atoms

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.pair_route import PairRoute
from cambrian.graph import graph_of
from cambrian.math.envelopes import CosineEnvelope
from cambrian.networks.two_body_kernel import TwoBodyKernel


def gas(spread: float = 4.0, pbc: bool = True) -> Atoms:
    rng = np.random.default_rng(3)
    places = spread * (np.indices((2, 2, 3)).reshape(3, -1).T * 0.6 + rng.uniform(-0.08, 0.08, (12, 3)))
    return Atoms("HCO" * 4, positions=places, cell=np.eye(3) * 2.2 * spread, pbc=pbc)


def same(found, truth, tolerance=1e-11):
    for name in ("energy", "forces", "stress", "atomic_energies"):
        one, two = getattr(found, name), getattr(truth, name)
        assert torch.allclose(one, two, rtol=tolerance, atol=tolerance, equal_nan=True), name


def test_two_body_curves():
    potential = TwoBodyKernel.example()
    graph = graph_of(gas(), potential.cutoff)
    run = predictor(potential)
    same(run(graph), evaluate(potential, graph))
    with torch.no_grad():
        potential.weights.mul_(-3)
    same(run(graph), evaluate(potential, graph))


def test_a_plateau_has_its_knot():
    potential = TwoBodyKernel(cutoff=4.0, n_points=5, envelope=CosineEnvelope(inner_fraction=0.37))
    potential.elements = torch.tensor([1, 6, 8])
    potential.points = torch.linspace(1.0, 4.0, 5, dtype=torch.float64).repeat(6, 1)
    potential.weights = torch.nn.Parameter(torch.randn(6, 5, dtype=torch.float64))
    graph = graph_of(gas(), 4.5)
    same(predictor(potential)(graph), evaluate(potential, graph))


def test_free_atoms_and_ghosts():
    potential = TwoBodyKernel.example()
    graph = graph_of(gas(pbc=False), potential.cutoff)
    same(predictor(potential)(graph), evaluate(potential, graph))


def test_constants_and_repulsion():
    atoms = gas(3.0)
    for potential in (IsolatedAtoms.example(), ZBL.example(), ZBL(inner=0.1, outer=0.2)):
        graph = graph_of(atoms, 3.0)
        same(potential.native()(graph), evaluate(potential, graph))


def test_curves_with_jumps_have_no_table():
    assert PairRoute.of(lambda r, row: (r < 2.123).astype(float), 1, 0.5, 4.0, [], lambda graph: graph.center) is None


def test_fitted_curves_that_are_steep_near_zero():
    """As a fit makes them: large coefficients of both signs, whose sum is small where data are."""
    potential = TwoBodyKernel(cutoff=5.0, n_points=12, length=1.0)
    potential.elements = torch.tensor([1, 6, 8])
    potential.points = torch.linspace(2.0, 5.0, 12, dtype=torch.float64).repeat(6, 1)
    r = potential.points[0]
    kernel = torch.exp(-((r[:, None] - r) ** 2) / 2) + 1e-10 * torch.eye(12)
    curve = torch.linalg.solve(kernel, torch.sin(4 * r) / r).repeat(6, 1)
    assert curve.abs().max() > 1e3
    potential.weights = torch.nn.Parameter(curve)
    graph = graph_of(gas(4.5), 5.0)
    assert float(graph.r_ij.norm(dim=1).min()) > 1.6
    same(predictor(potential)(graph), evaluate(potential, graph), 1e-9)
    near = graph_of(Atoms("HC", positions=[[0, 0, 0], [0, 0, 0.9]]), 5.0)
    same(predictor(potential)(near), evaluate(potential, near))
