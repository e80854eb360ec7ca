"""ACSF against DScribe, against its own autograd, and at the places where it could break."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from cambrian.contracts.descriptor import Descriptor
from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.errors import UserError
from cambrian.graph import batch, graph_of
from cambrian.math.automatic_sets import Gastegger, Imbalzano
from cambrian.math.envelopes import PolynomialEnvelope
from cambrian.math.symmetry_functions import SymmetryFunction
from cambrian.math.symmetry_grids import (
    GasteggerCentered,
    GasteggerShifted,
    ImbalzanoCentered,
    ImbalzanoShifted,
    Points,
)
from cambrian.math.symmetry_sets import Narrow, Radial, Wide

RADIAL = [(0.5, 0.0), (1.3, 1.2)]  # η, r_s
ANGULAR = [(0.1, 1, 1), (0.1, 4, -1), (0.3, 16, 1), (0.3, 3.5, 1), (0.2, 1.5, -1)]  # η, ζ, λ


def crystal() -> Atoms:
    positions = np.random.default_rng(0).random((13, 3))
    return Atoms("C4H6O3", scaled_positions=positions, cell=[[6, 0, 0], [1, 6.5, 0], [0.5, -1, 7]], pbc=True)


def one_cell() -> Atoms:
    return Atoms(
        "CO", positions=[[0, 0, 0], [0.9, 0.8, 0.7]], cell=[[2.1, 0, 0], [0.3, 2.3, 0], [0, 0.2, 2.2]], pbc=True
    )


def knowing(descriptor: ACSF, *numbers: int) -> ACSF:
    descriptor.elements = torch.tensor(sorted(numbers))
    return descriptor


def as_dscribe_orders(cutoff: float) -> ACSF:
    rows = []
    for element in ("H", "C", "O"):
        rows.append({"kind": "radial", "neighbors": element, "eta": 0.0})
        rows += [{"kind": "radial", "neighbors": element, "eta": eta, "shift": shift} for eta, shift in RADIAL]
    for pair in ("H-H", "C-H", "C-C", "O-H", "O-C", "O-O"):
        for kind in ("narrow", "wide"):
            rows += [
                {"kind": kind, "neighbors": pair, "eta": eta, "zeta": zeta, "lambda": sign}
                for eta, zeta, sign in ANGULAR
            ]
    return knowing(ACSF(cutoff=cutoff, functions=[Listed(dict.fromkeys("HCO", rows))]), 1, 6, 8)


@pytest.mark.parametrize(
    "atoms", [molecule("CH3CH2OH"), crystal(), one_cell()], ids=["molecule", "crystal", "small cell"]
)
def test_equal_to_dscribe(atoms):
    dscribe = pytest.importorskip("dscribe.descriptors")
    reference = dscribe.ACSF(
        r_cut=4.0,
        g2_params=RADIAL,
        g4_params=ANGULAR,
        g5_params=ANGULAR,
        species=["H", "C", "O"],
        periodic=bool(atoms.pbc.any()),
    ).create(atoms)
    features = as_dscribe_orders(4.0).features(graph_of(atoms, 4.0)).numpy()
    known = np.isfinite(reference)  # DScribe gives NaN for broken ζ where three atoms align
    assert np.isfinite(features).all()
    assert known.mean() > 0.7
    np.testing.assert_allclose(features[known], reference[known], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "atoms", [molecule("CH3CH2OH"), crystal(), one_cell()], ids=["molecule", "crystal", "small cell"]
)
@pytest.mark.parametrize("descriptor", [as_dscribe_orders(4.0), ACSF.example()], ids=["broken zeta", "example"])
def test_jacobian_equals_autograd(descriptor, atoms):
    graph = graph_of(atoms, 4.0)
    features, jacobian = descriptor.jacobian(graph)
    swept_features, swept = Descriptor.jacobian(descriptor, graph)
    torch.testing.assert_close(features, swept_features, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(jacobian, swept, rtol=1e-10, atol=1e-12)


def test_jacobian_equals_finite_differences():
    descriptor, atoms, step = ACSF.example(), crystal(), 1e-4
    graph = graph_of(atoms, 4.0)
    _, jacobian = descriptor.jacobian(graph)
    move = torch.randn(13, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    along = torch.einsum("exk,ex->ek", jacobian, move[graph.neighbor] - move[graph.center])
    slopes = torch.zeros(13, descriptor.n_features, dtype=torch.float64).index_add(0, graph.center, along)
    sides = []
    for sign in (-1, 1):
        moved = atoms.copy()
        moved.positions += sign * step * move.numpy()
        sides.append(descriptor.features(graph_of(moved, 4.0)))
    torch.testing.assert_close(slopes, (sides[1] - sides[0]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_twice_differentiable():
    descriptor, graph = ACSF.example(), graph_of(molecule("H2O"), 4.0)
    weights = torch.randn(descriptor.n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def energy(r_ij):
        leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
        return (descriptor.features(leaves) @ weights).square().sum()

    assert torch.autograd.gradgradcheck(energy, graph.r_ij.clone().requires_grad_(), atol=1e-5)


@pytest.mark.parametrize("kind", [Narrow, Wide])
@pytest.mark.parametrize("zeta", [1, 2, 1.5])
def test_collinear_atoms_have_finite_derivatives(kind, zeta):
    # exactly aligned: cos θ is 1 or -1, where arccos and broken powers of negative rounding errors would give NaN
    atoms = Atoms("H4", positions=[[0, 0, 0], [0.7, 0.7, 0.7], [1.4, 1.4, 1.4], [-0.9, -0.9, -0.9]])
    descriptor = knowing(ACSF(cutoff=4.0, functions=[kind(Points([[0.1, 0.0]]), zetas=(zeta,))]), 1)
    graph = graph_of(atoms, 4.0)
    features, jacobian = descriptor.jacobian(graph)
    assert torch.isfinite(features).all()
    torch.testing.assert_close(jacobian, Descriptor.jacobian(descriptor, graph)[1])


@pytest.mark.parametrize("envelope", [PolynomialEnvelope(order=2)])
def test_smooth_at_the_cutoff(envelope):
    sets = [Radial(Points([[0.1, 0.0]])), Narrow(Points([[0.1, 0.0]])), Wide(Points([[0.1, 0.0]]))]
    descriptor = knowing(ACSF(cutoff=3.0, functions=sets, envelope=envelope), 1)

    def at(distance: float):
        atoms = Atoms("H3", positions=[[0, 0, 0], [distance, 0, 0], [0.3, 1.0, 0]])
        graph = graph_of(atoms, 3.0)
        features, jacobian = descriptor.jacobian(graph)
        total = torch.zeros(3, 3, descriptor.n_features, dtype=torch.float64).index_add(0, graph.neighbor, jacobian)
        return features, total.index_add(0, graph.center, -jacobian)

    for inside, outside in zip(at(3.0 - 1e-7), at(3.0 + 1e-7), strict=True):
        torch.testing.assert_close(inside, outside, rtol=0, atol=1e-6)


def test_no_neighbors_and_no_atoms():
    descriptor = ACSF.example()
    alone = graph_of(Atoms("H"), 4.0)
    features, jacobian = descriptor.jacobian(alone)
    assert features.shape == (1, descriptor.n_features)
    assert not features.any()
    assert jacobian.shape == (0, 3, descriptor.n_features)


def test_batch_equals_singles_and_chunks_do_not_matter(monkeypatch):
    descriptor = ACSF.example()
    graphs = [graph_of(atoms, 4.0) for atoms in (molecule("CH3CH2OH"), Atoms("O"), crystal(), molecule("CO2"))]
    singles = [descriptor.jacobian(graph) for graph in graphs]
    monkeypatch.setattr("cambrian.graph.stars.SLOTS_AT_ONCE", 30)
    features, jacobian = descriptor.jacobian(batch(graphs))
    torch.testing.assert_close(features, torch.cat([f for f, _ in singles]), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(jacobian, torch.cat([j for _, j in singles]), rtol=1e-12, atol=1e-14)


def test_elements_may_differ_in_their_functions():
    radial = {"kind": "radial", "neighbors": "H", "eta": 0.3}
    angular = {"kind": "wide", "neighbors": "H-O", "eta": 0.3, "zeta": 2, "lambda": -1, "cutoff": 3.0}
    descriptor = knowing(ACSF(cutoff=4.0, functions=[Listed({"H": [radial], "O": [angular, radial]})]), 1, 8)
    assert [descriptor.n_features_of(z) for z in (1, 8)] == [1, 2]
    assert descriptor.n_features == 2
    graph = graph_of(molecule("H2O"), 4.0)
    features = descriptor.features(graph)
    hydrogen = graph.numbers == 1
    assert not features[hydrogen, 1].any()
    assert features[hydrogen, 0].all()
    everything = knowing(ACSF(cutoff=4.0, functions=[Listed(dict.fromkeys("HO", [radial, angular]))]), 1, 8)
    torch.testing.assert_close(features[~hydrogen], everything.features(graph)[~hydrogen].flip(1))


def test_sets_are_the_functions_they_say():
    descriptor = knowing(ACSF(cutoff=5.0, functions=[Wide(Points([[0.1, 0.5]]), zetas=(1, 4), cutoff=4.0)]), 1, 8)
    functions = [f for f in descriptor.functions_of(1) if isinstance(f, SymmetryFunction)]
    assert [f.neighbors for f in functions[::4]] == [(0, 0), (0, 1), (1, 1)]
    assert [(f.zeta, f.lam) for f in functions[:4]] == [(1, -1), (1, 1), (4, -1), (4, 1)]
    assert {(f.eta, f.shift, f.cutoff) for f in functions} == {(0.1, 0.5, 4.0)}


def test_unknown_element_and_long_cutoff_are_refused():
    with pytest.raises(UserError, match="not N"):
        ACSF.example().features(graph_of(molecule("NH3"), 4.0))
    with pytest.raises(UserError, match="beyond the"):
        _ = knowing(ACSF(cutoff=3.0, functions=[Radial(ImbalzanoCentered(3), cutoff=4.0)]), 1).n_features
    with pytest.raises(ValueError, match="zetas"):
        Wide(ImbalzanoCentered(3), zetas=(0.5,))


def test_published_grids():
    """Values worked out by hand from the papers' formulas (n = 5, cutoff 6 Å; r_0 = 1.5 and r_N = 5.5 Å)."""
    eta, shift = zip(*ImbalzanoShifted(5).points(6.0), strict=True)
    np.testing.assert_allclose(shift, [4.3487, 3.1518, 2.2844, 1.6557, 1.2], atol=5e-5)
    np.testing.assert_allclose(eta, [0.3667, 0.6981, 1.3290, 2.5299, 4.8160], atol=5e-5)
    np.testing.assert_allclose([p[0] for p in ImbalzanoCentered(6).points(6.0)][::5], [1 / 36, 25 / 36])
    np.testing.assert_allclose(GasteggerShifted(9, 1.5).points(6.0), [(2.0, 1.5 + k / 2) for k in range(9)])
    np.testing.assert_allclose(
        GasteggerCentered(3, 1.5).points(6.0), [(0.2222, 0), (0.0408, 0), (0.0165, 0)], atol=5e-5
    )


@pytest.mark.parametrize(("rule", "n_radial", "n_angular"), [(Imbalzano, 6, 3), (Gastegger, 8, 4)])
def test_automatic_sets_need_the_cutoff_alone(rule, n_radial, n_angular):
    one = list(rule().functions(14, [14], 6.0))
    assert sum(f.kind == "radial" for f in one) == 2 * n_radial
    assert sum(f.kind == "wide" for f in one) == 2 * n_angular * 2 * len(rule().arguments["zetas"])
    assert len(set(one)) == len(one)
    assert max(f.shift for f in one if isinstance(f, SymmetryFunction)) < 6.0
    three = list(rule(kind="narrow").functions(14, [1, 6, 8], 6.0))
    assert {f.neighbors for f in three if f.kind == "narrow"} == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}
