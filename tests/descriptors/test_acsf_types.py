"""Every type of symmetry function of n2p2 and RuNNer against loops over pairs and triplets, and where it may break."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list

from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.symmetry_functions import CompactFunction, SymmetryFunction
from cambrian.math.symmetry_grids import CenteredIntervals, IntervalEnds, Points, ShiftedIntervals
from cambrian.math.symmetry_sets import CompactNarrow, CompactRadial, CompactWide, Narrow, Radial, Weighted, Wide

CUTOFF = 4.0
POLYNOMIALS = {  # as n2p2's manual prints them
    "p1": lambda x: 1 + x**2 * (2 * x - 3),
    "p2": lambda x: 1 + x**3 * (x * (15 - 6 * x) - 10),
    "p3": lambda x: 1 + x**4 * (x * (x * (20 * x - 70) + 84) - 35),
    "p4": lambda x: 1 + x**5 * (x * (x * ((315 - 70 * x) * x - 540) + 420) - 126),
    "e": lambda x: math.exp(1 - 1 / (1 - x**2)),
}


INTERVALS = ((-70, 70), (60, 140), (0, 180), (100, 260), (-180, 180), (0, 120), (90, 180))  # degrees


def core(name: str, x: float) -> float:
    return POLYNOMIALS[name](x) if x < 1 else 0.0


def hill(name: str, at: float, low: float, high: float, *, asymmetric: bool = False) -> float:
    """Compact function of a distance or an angle."""
    x = min(abs(at - (low + high) / 2) / ((high - low) / 2), 1.0)
    return core(name, x * (2 - x) if asymmetric else x)


def by_loops(row: dict, atoms: Atoms) -> np.ndarray:
    """One function of every atom, term by term from the printed formulas."""
    reach = row.get("cutoff", CUTOFF)
    wanted = row["neighbors"].split("-") if row.get("neighbors") else None

    def side(r: float) -> float:
        if "core" in row:
            return hill(row["core"], r, row["lower"], reach, asymmetric=row.get("asymmetric", False))
        return math.exp(-row["eta"] * (r - row.get("shift", 0.0)) ** 2) * 0.5 * (math.cos(math.pi * r / reach) + 1)

    def angle(cosine: float) -> float:
        if "core" in row:
            theta = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
            return hill(row["core"], theta, row.get("angle_low", 0.0), row.get("angle_high", 180.0))
        return 2 ** (1 - row["zeta"]) * (1 + row["lambda"] * cosine) ** row["zeta"]

    center, neighbor, vectors = neighbor_list("ijD", atoms, reach)
    found = np.zeros(len(atoms))
    for i in range(len(atoms)):
        around = [(atoms[j].symbol, atoms[j].number, d) for j, d in zip(neighbor, vectors, strict=True)]
        around = [a for a, c in zip(around, center, strict=True) if c == i]
        if row["kind"] == "radial":
            for element, z, d in around:
                if wanted is None or [element] == wanted:
                    found[i] += side(np.linalg.norm(d)) * (z if wanted is None else 1)
            continue
        for j, (first, z_j, d_j) in enumerate(around):
            for second, z_k, d_k in around[j + 1 :]:
                if wanted is not None and sorted([first, second]) != sorted(wanted):
                    continue
                r_j, r_k, r_jk = (np.linalg.norm(d) for d in (d_j, d_k, d_j - d_k))
                term = angle(d_j @ d_k / (r_j * r_k)) * side(r_j) * side(r_k)
                if row["kind"] == "narrow":
                    term *= side(r_jk) if r_jk < reach else 0.0
                found[i] += term * (z_j * z_k if wanted is None else 1)
    return found


def rows_of_every_type() -> list[dict]:
    """Types 2, 3, 9, 12, 13, weighted wide, and 20 to 25 with every core."""
    gauss = {"eta": 0.3, "shift": 0.7}
    rows = []
    for neighbors in ("O", None):
        rows.append({"kind": "radial", "neighbors": neighbors, **gauss})
        for name in POLYNOMIALS:
            for lower, asymmetric in ((-CUTOFF, False), (0.4, False), (-CUTOFF, True), (0.4, True), (-1.0, True)):
                own = {"lower": lower, "core": name, "asymmetric": asymmetric}
                rows.append({"kind": "radial", "neighbors": neighbors, **own})
    for kind in ("narrow", "wide"):
        for neighbors in ("O-H", "H-H", None):
            for zeta, sign in ((1, 1), (4, -1), (1.5, 1)):
                rows.append({"kind": kind, "neighbors": neighbors, "zeta": zeta, "lambda": sign, **gauss})
            for name in POLYNOMIALS:
                for low, high in INTERVALS if neighbors == "O-H" else INTERVALS[:2]:
                    own = {"core": name, "lower": 0.3, "cutoff": 3.7, "angle_low": low, "angle_high": high}
                    rows.append({"kind": kind, "neighbors": neighbors, **own, "asymmetric": name == "p2"})
    return rows


def knowing(descriptor: ACSF, *numbers: int) -> ACSF:
    descriptor.elements = torch.tensor(sorted(numbers))
    return descriptor


def every_type() -> ACSF:
    return knowing(ACSF(cutoff=CUTOFF, functions=[Listed(dict.fromkeys("HCO", rows_of_every_type()))]), 1, 6, 8)


def crystal() -> Atoms:
    positions = np.random.default_rng(3).random((5, 3))
    return Atoms("CH2O2", scaled_positions=positions, cell=[[4.5, 0, 0], [1, 5, 0], [0.5, -1, 5.5]], pbc=True)


def carbon_dioxide_and_hydrogen() -> Atoms:
    """Three atoms in line exactly, two at a small angle."""
    return Atoms("OCOHH", positions=[[-1.2, 0, 0], [0, 0, 0], [1.2, 0, 0], [0, 1.9, 0.3], [2.4, 1e-4, 0]])


STRUCTURES = {"molecule": molecule("CH3OH"), "crystal": crystal(), "in line": carbon_dioxide_and_hydrogen()}


@pytest.mark.parametrize("name", STRUCTURES)
def test_equal_to_loops(name):
    atoms = STRUCTURES[name]
    features = every_type().features(graph_of(atoms, CUTOFF)).numpy()
    expected = np.stack([by_loops(row, atoms) for row in rows_of_every_type()], axis=1)
    assert (np.abs(expected).max(axis=0) > 1e-6).mean() > 0.8
    np.testing.assert_allclose(features, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", STRUCTURES)
def test_jacobian_equals_autograd(name):
    # one sweep with random weights on all functions of all atoms, instead of one sweep per function
    descriptor, graph = every_type(), graph_of(STRUCTURES[name], CUTOFF)
    features, jacobian = descriptor.jacobian(graph)
    weights = torch.randn(features.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    r_ij = graph.r_ij.clone().requires_grad_()
    differentiable = descriptor.features(graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij))
    slopes = torch.autograd.grad((differentiable * weights).sum(), r_ij)[0]
    assert torch.isfinite(jacobian).all()
    torch.testing.assert_close(features, differentiable.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.einsum("exk,ek->ex", jacobian, weights[graph.center]), slopes, rtol=1e-9, atol=1e-9
    )


def along_a_circle(degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Functions of the middle atom of H-O-H at an angle, and their derivatives by one H."""
    theta = math.radians(degrees)
    atoms = Atoms("OHH", positions=[[0, 0, 0], [1.1, 0, 0], [0.9 * math.cos(theta), 0.9 * math.sin(theta), 0]])
    angles = [(-70, 70), (100, 260), (0, 120), (90, 180), (40, 110)]
    rows = [
        {"kind": "wide", "neighbors": "H-H", "core": name, "lower": 0.1, "angle_low": low, "angle_high": high}
        for name in POLYNOMIALS
        for low, high in angles
    ]
    descriptor = knowing(ACSF(cutoff=CUTOFF, functions=[Listed({"O": rows})]), 1, 8)
    features, jacobian = descriptor.jacobian(graph_of(atoms, CUTOFF))
    return features[0], jacobian[1]  # edges are sorted: 0 -> 1, 0 -> 2, ...


@pytest.mark.parametrize("degrees", [0.0, 6.2e-5, 8.1e-5, 40.0, 70.0, 100.0, 110.0, 120.0, 179.99993, 180.0])
def test_smooth_where_an_interval_ends_and_where_atoms_align(degrees):
    step = 2e-6  # degrees; covers the seam of the straight lines, which lies at 8.1e-5°
    (before, slope_before), (after, slope_after) = along_a_circle(degrees - step), along_a_circle(degrees + step)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)
    torch.testing.assert_close(slope_before, slope_after, rtol=0, atol=1e-5)


@pytest.mark.parametrize("degrees", [0.02, 0.3, 55.0, 119.9, 179.95])
def test_slopes_near_the_ends_equal_finite_differences(degrees):
    step = min(degrees, 180 - degrees) * 1e-4
    values = [along_a_circle(degrees + sign * step)[0] for sign in (-1, 1)]
    theta = math.radians(degrees)
    turning = torch.tensor([-math.sin(theta), math.cos(theta), 0.0], dtype=torch.float64) * 0.9
    slope = turning @ along_a_circle(degrees)[1]
    difference = (values[1] - values[0]) / math.radians(2 * step)
    torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-6)


def test_twice_differentiable_also_in_line():
    descriptor = ACSF(
        cutoff=CUTOFF, functions=[CompactWide(IntervalEnds([[0.1, 3.0]]), core=c) for c in ("p2", "p3", "e")]
    )
    knowing(descriptor, 6, 8)
    graph = graph_of(molecule("CO2"), CUTOFF)
    weights = torch.randn(descriptor.n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def energy(r_ij):
        leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
        return (descriptor.features(leaves) @ weights).square().sum()

    assert torch.autograd.gradgradcheck(energy, graph.r_ij.clone().requires_grad_(), atol=1e-4, fast_mode=True)


def test_weighted_functions_do_not_grow_with_elements():
    grid = Points([[0.1, 0.0], [0.3, 1.0]])
    sets = [Weighted(Radial(grid)), Weighted(Narrow(grid, zetas=(1,))), Weighted(CompactWide(ShiftedIntervals(3)))]
    few = knowing(ACSF(cutoff=CUTOFF, functions=sets), 1)
    many = knowing(ACSF(cutoff=CUTOFF, functions=sets), 1, 6, 7, 8, 16)
    assert few.n_features == many.n_features == 2 + 2 * 2 + 3 * 4
    graph = graph_of(molecule("H2"), CUTOFF)
    torch.testing.assert_close(few.features(graph), many.features(graph))


def test_weighted_is_the_sum_over_elements_times_numbers():
    # an identity of physics, not of code: Σ_pairs Z_a Z_b G_ab = G_weighted
    grid, graph = Points([[0.2, 0.5]]), graph_of(crystal(), CUTOFF)
    for plain in (Narrow(grid, zetas=(3,)), Wide(grid, zetas=(3,)), CompactNarrow(ShiftedIntervals(2))):
        split = knowing(ACSF(cutoff=CUTOFF, functions=[plain]), 1, 6, 8)
        whole = knowing(ACSF(cutoff=CUTOFF, functions=[Weighted(plain)]), 1, 6, 8)
        factors = torch.tensor([math.prod((1, 6, 8)[s] for s in f.neighbors) for f in split.functions_of(1)])
        summed = (split.features(graph) * factors).unflatten(1, (6, -1)).sum(dim=1)
        torch.testing.assert_close(summed, whole.features(graph), rtol=1e-12, atol=1e-12)


def test_shifted_intervals_sum_to_one():
    # neighboring hills of a polynomial core are mirror images, so between the first and the last top they add up to one
    intervals = ShiftedIntervals(6, first=1.0)
    descriptor = knowing(ACSF(cutoff=6.0, functions=[CompactRadial(intervals, core="p3")]), 1)
    for distance in (1.0, 1.7, 2.9, 4.3, 5.0):
        graph = graph_of(Atoms("H2", positions=[[0, 0, 0], [distance, 0, 0]]), 6.0)
        assert float(descriptor.features(graph)[0].sum()) == pytest.approx(1.0, abs=1e-12)
    wide = knowing(ACSF(cutoff=6.0, functions=[CompactWide(IntervalEnds([[-6.0, 6.0]]), n_angles=5)]), 1)
    alone = knowing(ACSF(cutoff=6.0, functions=[CompactRadial(IntervalEnds([[-6.0, 6.0]]))]), 1)
    for degrees in (0.0, 33.0, 90.0, 171.0, 180.0):
        theta = math.radians(degrees)
        positions = [[0, 0, 0], [1, 0, 0], [2 * math.cos(theta), 2 * math.sin(theta), 0]]
        values = [
            float(alone.features(graph_of(Atoms("H2", positions=[[0, 0, 0], p]), 6.0))[0, 0]) for p in positions[1:]
        ]
        total = float(wide.features(graph_of(Atoms("H3", positions=positions), 6.0))[0].sum())
        assert total == pytest.approx(math.prod(values), rel=1e-12)


def test_intervals_reach_the_cutoff():
    assert CenteredIntervals(3, first=2.0).ends(6.0) == [(-2.0, 2.0), (-4.0, 4.0), (-6.0, 6.0)]
    np.testing.assert_allclose(ShiftedIntervals(3, first=1.5).ends(6.0), [(0, 3), (1.5, 4.5), (3, 6)], atol=1e-12)


def test_sets_and_lists_say_the_same():
    rows = [
        {"kind": "narrow", "neighbors": "O-H", "core": "p3", "lower": -4.0, "angle_low": -90.0, "angle_high": 90.0},
        {"kind": "narrow", "neighbors": "H-O", "core": "p3", "lower": -4.0, "angle_low": 0.0, "angle_high": 180.0},
        {"kind": "radial", "eta": 0.2, "shift": 0.1},
    ]
    descriptor = knowing(ACSF(cutoff=CUTOFF, functions=[Listed({"H": rows})]), 1, 8)
    first, second, third = descriptor.functions_of(1)
    assert first == CompactFunction("narrow", (0, 1), "p3", -4.0, CUTOFF, -90.0, 90.0)
    assert second == CompactFunction("narrow", (0, 1), "p3", -4.0, CUTOFF)
    assert third == SymmetryFunction("radial", (), 0.2, 0.1, CUTOFF)
    by_set = CompactNarrow(IntervalEnds([[-4.0, 4.0]]), n_angles=3, core="p3").functions(1, [1, 8], CUTOFF)
    assert [f for f in by_set if f.neighbors == (0, 1)][:2] == [first, second]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"core": "p5", "lower": 0.0}, "p1, p2"),
        ({"core": "p2", "lower": 4.0}, "lower end"),
        ({"core": "p2", "lower": 0.0, "angle_low": -10.0, "angle_high": 60.0}, "kink"),
        ({"core": "p2", "lower": 0.0, "angle_low": 120.0, "angle_high": 200.0}, "kink"),
        ({"core": "p2", "lower": 0.0, "angle_low": 90.0, "angle_high": 90.0}, "interval"),
    ],
)
def test_what_would_not_be_smooth_is_refused(row, complaint):
    listed = Listed({"H": [{"kind": "wide", "neighbors": "H-H", **row}]})
    with pytest.raises(UserError, match=complaint):
        _ = knowing(ACSF(cutoff=CUTOFF, functions=[listed]), 1).n_features
