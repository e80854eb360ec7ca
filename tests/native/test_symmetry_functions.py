"""The fused symmetry functions against the torch truth and differences, on every instruction set and in threads."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.configurable import describe
from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.graph import graph_of
from cambrian.math.envelopes import (
    BumpEnvelope,
    CosineEnvelope,
    ExponentialEnvelope,
    HardEnvelope,
    PolynomialEnvelope,
    TanhCubeEnvelope,
    UnitTanhCubeEnvelope,
)
from cambrian.math.symmetry_grids import (
    CenteredIntervals,
    ImbalzanoCentered,
    ImbalzanoShifted,
    IntervalEnds,
    Points,
    ShiftedIntervals,
)
from cambrian.math.symmetry_sets import CompactNarrow, CompactRadial, CompactWide, Narrow, Radial, Weighted, Wide
from cambrian.native import library
from cambrian.native.symmetry_functions import CORES, Compact, Fading, Gaussian, SymmetryKernel

pytestmark = pytest.mark.skipif(not library.available(), reason="the compiled kernels are not installed")

GRID = Points([[0.05, 0.0], [0.15, 0.0], [0.4, 1.0], [0.8, 1.0], [0.1, 0.0]])  # some a whole multiple of another
SETS = {
    "radial": [Radial(ImbalzanoShifted(3)), Radial(ImbalzanoCentered(3), cutoff=2.5)],
    "narrow": [Narrow(GRID, zetas=(1, 2, 4, 16), cutoff=3.0), Narrow(GRID, zetas=(1, 3), signs=(0.5,))],
    "narrow of broken zeta": [Narrow(GRID, zetas=(1.5, 2))],
    "wide": [Wide(GRID, zetas=(1, 3, 16), cutoff=3.0), Wide(GRID, zetas=(1,), signs=(-1, 0.3))],
    "wide of broken zeta": [Wide(GRID, zetas=(1.5, 2.2))],
    "weighted": [Weighted(Wide(GRID, zetas=(2, 1.5))), Weighted(Narrow(GRID)), Weighted(Radial(ImbalzanoShifted(3)))],
    "compact radial": [CompactRadial(ShiftedIntervals(3)), CompactRadial(CenteredIntervals(3), cutoff=2.5)],
    "compact narrow": [CompactNarrow(ShiftedIntervals(3)), CompactNarrow(CenteredIntervals(2), n_angles=2)],
    "compact wide": [CompactWide(ShiftedIntervals(3), n_angles=6), CompactWide(IntervalEnds([[0.7, 1.9], [2.1, 2.2]]))],
    "compact weighted": [
        Weighted(CompactRadial(CenteredIntervals(2))),
        Weighted(CompactNarrow(CenteredIntervals(2))),
        Weighted(CompactWide(ShiftedIntervals(2))),
    ],
    "compact and others": [
        CompactWide(ShiftedIntervals(2)),
        Wide(GRID),
        Narrow(GRID),
        CompactRadial(ShiftedIntervals(2)),
    ],
}
ENVELOPES = [
    HardEnvelope(),
    CosineEnvelope(),
    CosineEnvelope(inner_fraction=0.3),
    TanhCubeEnvelope(),
    UnitTanhCubeEnvelope(),
    ExponentialEnvelope(),
    ExponentialEnvelope(inner_fraction=0.2),
    *(PolynomialEnvelope(order=n, inner_fraction=0.1) for n in (1, 2, 3, 4)),
]


@pytest.fixture
def crystal():
    """Twenty atoms of three elements at random in a skewed cell, and two of them alone."""
    rng = np.random.default_rng(0)
    cell = np.array([[6.0, 0, 0], [1.8, 5.4, 0], [-1.2, 0.6, 6.6]])
    return graph_of(Atoms(rng.choice([1, 6, 8], 20), scaled_positions=rng.random((20, 3)), cell=cell, pbc=True), 4.0)


@pytest.fixture
def cluster():
    """An atom with no neighbor, one with one, and three in a row, of which one is the middle."""
    places = [[0, 0, 0], [50, 0, 0], [51, 0, 0], [-50, 0, 0], [-51.5, 0, 0], [-48.9, 0, 0]]
    return graph_of(Atoms("OHHCHO", positions=places), 4.0)


def descriptor(functions, envelope=CosineEnvelope()):  # noqa: B008 - immutable
    made = ACSF(cutoff=4.0, functions=functions, envelope=envelope)
    made.elements = torch.tensor([1, 6, 8])
    return made


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max().clamp(min=1.0)))


def check(graph, made):
    kernel = made.kernel()
    features, jacobian = made.jacobian(graph)
    slopes = torch.from_numpy(np.random.default_rng(1).normal(size=features.shape))
    pull = torch.einsum("exk,ek->ex", jacobian, slopes[graph.center])
    close(kernel.features(graph), features)
    close(kernel.pull(graph, slopes), pull)
    for found, expected in zip(kernel.jacobian(graph), (features, jacobian), strict=True):
        close(found, expected)
    by_species, species = slopes[:3], torch.searchsorted(made.elements, graph.numbers)
    energies, pull = kernel.energies_and_pull(graph, by_species, species)
    close(energies, (by_species[species] * features).sum(dim=1))
    close(pull, torch.einsum("exk,ek->ex", jacobian, by_species[species][graph.center]))


@pytest.mark.parametrize("name", SETS)
def test_every_kind_equals_the_truth(crystal, name):
    check(crystal, descriptor(SETS[name]))


@pytest.mark.parametrize("envelope", ENVELOPES, ids=lambda e: f"{describe(e)}")
def test_every_envelope_equals_the_truth(crystal, envelope):
    check(crystal, descriptor([*SETS["radial"], Narrow(GRID, zetas=(1, 4))], envelope))


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("core", CORES)
def test_every_core_equals_the_truth(crystal, cluster, core, asymmetric):
    shape = core, asymmetric
    sets = [CompactRadial(ShiftedIntervals(2), *shape), CompactNarrow(CenteredIntervals(2), 3, *shape)]
    made = descriptor([*sets, CompactWide(ShiftedIntervals(2), 4, *shape)])
    check(crystal, made)
    check(cluster, made)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("ends", [(0, 90), (90, 180), (-40, 40), (120, 240), (20, 70), (0, 180), (-180, 180)])
@pytest.mark.parametrize("bend", [0.0, 1e-9, 1e-7, 3e-6, 1e-3])
def test_nearly_straight_angles(core, ends, bend):
    """Three atoms in a line, or almost: values, and forces that are slopes of smooth functions of the positions."""
    r_ij = np.array(
        [[1.3, 0, 0], [-1.1 * np.cos(bend), 1.1 * np.sin(bend), 0], [1.9 * np.cos(bend), 0, 1.9 * np.sin(bend)]]
    )
    function = Compact(0, "wide", 0, 0, 0, core, False, -3.0, 3.0, *map(float, ends))
    kernel = SymmetryKernel([], [1.0], Fading("cosine"), (function,))
    arrays = np.array([0, 3]), r_ij, np.zeros(3, np.int64), np.zeros(1, np.int64)
    row = {"kind": "wide", "neighbors": "O-O", "core": core, "lower": -3.0, "cutoff": 3.0}
    made = descriptor([Listed({"O": [row | {"angle_low": ends[0], "angle_high": ends[1]}]})])
    made.elements = torch.tensor([8])
    graph = graph_of(Atoms("O4", positions=[[0, 0, 0], *r_ij]), 4.0)
    features, jacobian = made.jacobian(graph)
    pull = kernel.pull(*arrays, np.ones((1, 1)))
    place = [int(torch.nonzero((graph.center == 0) & (graph.neighbor == k + 1))[0]) for k in range(3)]
    assert kernel.features(*arrays)[0, 0] == pytest.approx(float(features[0, 0]), abs=1e-12)
    np.testing.assert_allclose(pull, jacobian[place, :, 0].numpy(), rtol=0, atol=1e-8)  # sin of an angle of 1e-6


@pytest.mark.parametrize("name", SETS)
def test_few_neighbors_and_straight_angles(cluster, name):
    check(cluster, descriptor(SETS[name]))


def test_elements_may_have_functions_of_their_own(crystal):
    row = {"kind": "radial", "neighbors": "O", "eta": 0.5}
    angular = {"kind": "narrow", "neighbors": "O-H", "eta": 0.1, "zeta": 2, "lambda": -1, "cutoff": 3.0}
    check(crystal, descriptor([Listed({"H": [row], "O": [angular, row, row | {"shift": 1.0}]})]))


def test_longer_lists_change_nothing(crystal):
    made = descriptor(SETS["narrow"] + SETS["wide"] + SETS["compact narrow"])
    rng = np.random.default_rng(0)
    atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell[0], pbc=True)
    wider, slopes = graph_of(atoms, 5.0), torch.from_numpy(rng.normal(size=(20, made.n_features)))
    near = wider.r_ij.norm(dim=1) < 4.0
    pull = made.kernel().pull(wider, slopes)
    close(made.kernel().features(wider), made.kernel().features(crystal))
    close(pull[near], made.kernel().pull(crystal, slopes))
    assert not pull[~near].any()


def test_what_the_kernel_does_not_know_goes_on_in_torch():
    assert descriptor([Radial(ImbalzanoShifted(3))], BumpEnvelope()).kernel() is None


def test_compact_functions_are_the_formulas():
    """Independent of torch: three neighbors, the sums written out."""
    r_ij = np.array([[1.0, 0.2, 0.1], [-0.3, 1.4, 0.5], [0.2, -0.6, 1.7]])
    functions = (
        Compact(0, "radial", 0, -1, 0, "p2", False, 0.5, 2.5),
        Compact(0, "wide", 0, 0, 1, "e", True, -2.2, 2.2, 30.0, 150.0),
        Compact(0, "narrow", 0, 0, 2, "p3", False, 0.4, 2.9, 60.0, 180.0),
    )
    found = SymmetryKernel([], [1.0], Fading("hard"), functions).features(
        np.array([0, 3]), r_ij, np.zeros(3, np.int64), np.zeros(1, np.int64)
    )
    p2 = lambda x: 1 - x**3 * (10 - 15 * x + 6 * x**2) if x < 1 else 0.0  # noqa: E731
    p3 = lambda x: 1 - x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3) if x < 1 else 0.0  # noqa: E731
    e = lambda x: np.exp(1 - 1 / (1 - x * x)) if x < 1 else 0.0  # noqa: E731
    fold = lambda x: x * (2 - x) if x < 1 else 1.0  # noqa: E731
    r = np.linalg.norm(r_ij, axis=1)
    radial = sum(p2(abs(x - 1.5)) for x in r)
    wide = narrow = 0.0
    for j, k in ((0, 1), (0, 2), (1, 2)):
        angle, third = np.degrees(np.arccos(r_ij[j] @ r_ij[k] / r[j] / r[k])), np.linalg.norm(r_ij[j] - r_ij[k])
        wide += e(abs(angle - 90) / 60) * e(fold(r[j] / 2.2)) * e(fold(r[k] / 2.2))
        narrow += p3(abs(angle - 120) / 60) * np.prod([p3(abs(x - 1.65) / 1.25) for x in (r[j], r[k], third)])
    np.testing.assert_allclose(found[0], [radial, wide, narrow], rtol=1e-13)


def test_forces_are_differences_of_the_energy():
    """Independent of torch: central differences of Σ s G over one edge."""
    rng = np.random.default_rng(3)
    functions = [
        Gaussian(0, "narrow", 0, 0, 0, 0.3, 0.4, 3.0, 2.0, 1.0),
        Gaussian(0, "wide", 0, 0, 1, 0.2, 0.0, 3.0, 3.0, -1.0),
        Gaussian(0, "radial", 0, -1, 2, 0.5, 1.0, 3.0),
    ]
    compact = (
        Compact(0, "narrow", 0, 0, 3, "p2", True, 0.3, 2.8, 0.0, 120.0),
        Compact(0, "wide", 0, 0, 4, "p1", False, -2.0, 2.0, 90.0, 270.0),
        Compact(0, "radial", 0, -1, 5, "e", False, 0.5, 2.0),
    )
    kernel = SymmetryKernel(functions, [1.0], Fading("cosine"), compact)
    r_ij, slope = rng.uniform(-1.5, 1.5, (11, 3)), rng.normal(size=(1, 6))
    arrays = np.array([0, 11]), r_ij, np.zeros(11, np.int64), np.zeros(1, np.int64)
    pull = kernel.pull(*arrays, slope)
    for edge, axis in ((0, 0), (4, 1), (10, 2)):
        energies = []
        for step in (1e-5, -1e-5):
            moved = r_ij.copy()
            moved[edge, axis] += step
            energies.append((kernel.features(arrays[0], moved, *arrays[2:]) * slope).sum())
        assert pull[edge, axis] == pytest.approx((energies[0] - energies[1]) / 2e-5, abs=1e-8)


def test_threads_give_identical_results(crystal):
    kernel = descriptor(SETS["narrow"] + SETS["wide"] + SETS["radial"] + SETS["compact wide"]).kernel()
    results = []
    try:
        for n_threads in (1, 2, 5):
            library.set_threads(n_threads)
            results.append(kernel.jacobian(crystal))
    finally:
        library.set_threads(0)
    for other in results[1:]:
        assert all(torch.equal(x, y) for x, y in zip(results[0], other, strict=True))


OTHER_INSTRUCTION_SET = """
import pickle, sys
from cambrian.native import library
kernel, arrays, slope = pickle.load(sys.stdin.buffer)
result = kernel.pull(*arrays, slope), *kernel.jacobian(*arrays)
sys.stdout.buffer.write(pickle.dumps((library.instruction_set(), result)))
"""


def test_instruction_sets_agree(crystal):
    route = descriptor([f for part in SETS.values() for f in part], TanhCubeEnvelope()).kernel()
    arrays = route._stars(crystal)
    stdin = pickle.dumps((route.loops, arrays, np.ones((20, route.loops.n_features))))
    results = {}
    for name in ("baseline", "v3", "v4"):
        done = subprocess.run(
            [sys.executable, "-c", OTHER_INSTRUCTION_SET],
            input=stdin,
            capture_output=True,
            env=os.environ | {"CAMBRIAN_NATIVE_ISA": name},
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        found, result = pickle.loads(done.stdout)
        results[found] = result  # a machine that lacks one runs the baseline
    assert "baseline" in results
    for result in results.values():
        for x, y in zip(results["baseline"], result, strict=True):
            np.testing.assert_allclose(y, x, rtol=0, atol=1e-12 * abs(x).max())


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_edges_that_are_not_finite_are_refused(crystal, wrong):
    kernel = descriptor(SETS["radial"]).kernel()
    first, r_ij, neighbor, species = kernel._stars(crystal)
    r_ij = r_ij.copy()
    r_ij[-1, 1] = wrong
    with pytest.raises(ValueError, match="finite"):
        kernel.loops.features(first, r_ij, neighbor, species)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("first", np.array([0, 2], np.int32), "int64"),
        ("first", np.array([0, 3]), "number of edges"),
        ("first", np.zeros(0, np.int64), r"\(atoms \+ 1,\)"),
        ("r_ij", np.zeros((2, 2)), "shape"),
        ("r_ij", np.zeros((2, 3), np.float32), "float64"),
        ("neighbor", np.array([0, 1]), "the atoms"),
        ("species", np.array([1]), "species"),
        ("slope", np.ones((1, 2)), "shape"),
    ],
)
def test_wrong_arrays_are_refused(name, value, message):
    kernel = SymmetryKernel([Gaussian(0, "radial", 0, -1, 0, 0.5, 1.0, 3.0)], [1.0], Fading("cosine"))
    arguments = {
        "first": np.array([0, 2]),
        "r_ij": np.array([[0.0, 0, 1], [1, 0, 0]]),
        "neighbor": np.zeros(2, np.int64),
        "species": np.zeros(1, np.int64),
        "slope": np.ones((1, 1)),
    }
    kernel.pull(**arguments)
    with pytest.raises(ValueError, match=message):
        kernel.pull(**(arguments | {name: value}))


@pytest.mark.parametrize(
    "wrong",
    [
        Gaussian(1, "radial", 0, -1, 0, 0.5, 1.0, 3.0),
        Gaussian(0, "narrow", 0, -1, 0, 0.5, 1.0, 3.0, 1.0, 1.0),
        Gaussian(0, "radial", 0, -1, 0, 0.5, 1.0, 0.0),
        Gaussian(0, "radial", 0, -1, 0, float("nan"), 1.0, 3.0),
        Gaussian(0, "wide", 0, 0, 0, 0.5, 1.0, 3.0, 65.0, 1.0),
    ],
)
def test_wrong_functions_are_refused(wrong):
    with pytest.raises(ValueError, match="Gaussian"):
        SymmetryKernel([wrong], [1.0], Fading("cosine"))


@pytest.mark.parametrize(
    "wrong",
    [
        Compact(1, "radial", 0, -1, 0, "p2", False, 0.5, 3.0),
        Compact(0, "wide", 0, -1, 0, "p2", False, 0.5, 3.0, 0.0, 90.0),
        Compact(0, "radial", 0, -1, 0, "p2", False, 3.0, 0.5),
        Compact(0, "radial", 0, -1, 0, "p2", False, -3.0, 0.0),
        Compact(0, "radial", 0, -1, 0, "p5", False, 0.5, 3.0),
        Compact(0, "wide", 0, 0, 0, "p2", False, 0.5, 3.0, 90.0, 90.0),
        Compact(0, "radial", 0, -1, 0, "p2", False, float("-inf"), 3.0),
    ],
)
def test_wrong_compact_functions_are_refused(wrong):
    with pytest.raises(ValueError, match="Compact"):
        SymmetryKernel([], [1.0], Fading("cosine"), (wrong,))


def test_a_negative_zeta_goes_on_in_torch():
    row = {"kind": "wide", "neighbors": "H-O", "eta": 0.1, "zeta": -1, "lambda": 1}
    assert descriptor([Listed({"O": [row]})]).kernel() is None
