"""Deployed files give what the potential itself gives: energies, dE/dr_ij of every edge, forces, grade."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from compiled_runs import close, domain, members, opened, require_same, truth
from contracts.subjects import dataset, names, of_contract, shake, subject, usual_atoms

from cambrian.classical.element_shifts import ElementShifts
from cambrian.contracts import Committee, Descriptor, DescriptorPotential, Frozen, Potential
from cambrian.contracts.grade import grade, keep_active_set
from cambrian.data import Dataset
from cambrian.deploy.compiled import not_compiled
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.descriptors.acsf import ACSF
from cambrian.descriptors.aev import AEV
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.graph import graph_of
from cambrian.math.envelopes import CosineEnvelope, ExponentialEnvelope, PolynomialEnvelope
from cambrian.math.point_kernels import SquaredExponential
from cambrian.math.symmetry_grids import CenteredIntervals, ImbalzanoCentered, ShiftedIntervals
from cambrian.math.symmetry_sets import CompactNarrow, CompactRadial, CompactWide, Radial, Weighted
from cambrian.native.library import available, set_threads
from cambrian.networks.three_body_kernel import ThreeBodyKernel
from cambrian.networks.two_body_kernel import TwoBodyKernel
from cambrian.recipes.ace import ace
from cambrian.recipes.ani import ani
from cambrian.recipes.gap import gap
from cambrian.recipes.hdnnp import hdnnp
from cambrian.recipes.mtp import mtp
from cambrian.recipes.qsnap import qsnap
from cambrian.recipes.snap import snap
from cambrian.recipes.snap_nn import snap_nn
from cambrian.recipes.wacsf import wacsf
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor
from cambrian.regressors.sparse_kernel import SparseKernel

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")

WEIGHTS = {"H": 0.4, "C": 1.0, "O": 0.7}
RECIPES = {
    "snap": lambda: snap(cutoff=3.4, two_j_max=4, radii={"H": 0.4, "C": 0.5, "O": 0.45}, weights=WEIGHTS),
    "qsnap": lambda: qsnap(cutoff=3.3, two_j_max=3),
    "snap by elements": lambda: snap(cutoff=3.4, two_j_max=3, weights=WEIGHTS, chem=True),
    "nodes by elements": lambda: (
        DescriptorPotential(
            SO4Bispectrum(cutoff=3.2, two_j_max=3, chem=True, wselfall=True), NeuralRegressor(hidden=(5,))
        ),
        None,
    ),
    "snap_nn": lambda: snap_nn(cutoff=3.2, two_j_max=4, hidden=(7, 5)),
    "ace": lambda: ace(cutoff=3.5, n_max=[5, 3, 2], l_max=[0, 2, 1], degree=None),
    "mtp": lambda: mtp(cutoff=3.4, level=8, n_radial=5),
    "gap": lambda: gap(
        cutoff=3.4,
        n_max=3,
        l_max=2,
        n_points=9,
        two_body=TwoBodyKernel(cutoff=3.2, n_points=6),
        few_body=DescriptorPotential(
            AtomicClusterExpansion(cutoff=3.5, n_max=[4, 2, 2], l_max=[0, 2, 1]), LinearRegressor()
        ),
    ),
    "gap with triangles": lambda: gap(
        cutoff=3.3,
        n_max=2,
        l_max=3,
        n_points=7,
        zeta=2.5,
        few_body=None,
        envelope=CosineEnvelope(inner_fraction=0.3),
        two_body=TwoBodyKernel(cutoff=3.0, n_points=5, envelope=PolynomialEnvelope(order=3, inner_fraction=0.21)),
        three_body=ThreeBodyKernel(cutoff=2.8, n_points=4, envelope=ExponentialEnvelope(inner_fraction=0.1)),
    ),
    "hdnnp": lambda: hdnnp(cutoff=3.6, n_radial=4, n_angular=2, zetas=(1, 2.5), hidden=(6, 5)),
    "compact hdnnp": lambda: (DescriptorPotential(compact(), NeuralRegressor(hidden=(6, 5))), None),
    "gaussian points": lambda: (
        DescriptorPotential(compact(), SparseKernel(n_points=7, kernel=SquaredExponential(length=1.3))),
        None,
    ),
    "ani": lambda: ani(descriptor=shells(), hidden=(6, 5), activation="celu"),
    "ani whitened": lambda: ani(descriptor=shells(zeta=8.0, elements=["O", "N", "H", "C"]), whitening=0.1),
    "wacsf": lambda: wacsf(cutoff=3.6, n_radial=3, n_angular=2, hidden=(6, 4)),
}


def shells(**others) -> AEV:
    return AEV(cutoff=3.4, n_radial=3, eta=3.0, angular_cutoff=2.9, n_shells=2, angular_eta=2.0, n_angles=3, **others)


def compact() -> ACSF:
    """Compact functions of every kind, some weighted, beside one of the others."""
    sets = [
        CompactRadial(ShiftedIntervals(3)),
        CompactNarrow(CenteredIntervals(2), n_angles=3),
        CompactWide(ShiftedIntervals(2), core="e", asymmetric=True),
        Weighted(CompactWide(CenteredIntervals(2), n_angles=2, core="p1")),
        Radial(ImbalzanoCentered(2)),
    ]
    return ACSF(cutoff=3.6, functions=sets)


def labelled() -> Dataset:
    return dataset().map(lambda s: replace(s, energy=-1.5 * len(s) - 0.7 * int((s.atoms.numbers == 8).sum())))


def close_by() -> list:
    """Structures tighter than any of the training set, where the repulsion acts."""
    found = []
    for atoms in usual_atoms():
        tight = atoms.copy()
        tight.positions *= 0.8
        tight.cell = 0.8 * tight.cell.array
        tight.rattle(0.02, seed=3)
        found.append(tight)
    return found


def made(name: str, seed: int = 0) -> Potential:
    """A recipe's potential, its repulsion free, with shifts of the elements beside it."""
    torch.manual_seed(seed)
    potential, _ = RECIPES[name]()
    potential = potential + ElementShifts()
    potential.setup(labelled())
    potential = shake(potential)
    with torch.no_grad():
        for p in potential.parameters():
            p.mul_(1 + 0.01 * seed)
    return potential


def may_be_compiled() -> list[str]:
    """Names of subjects, without those of descriptors that say nothing of the compiled library."""
    silent = [n for n, cls in of_contract(Descriptor).items() if cls.compiled is Descriptor.compiled]
    return [name for name in names() if name.split(" + ")[0] not in silent]


@pytest.mark.parametrize("name", may_be_compiled())
def test_every_compiled_term_is_the_potential(name, tmp_path):
    s = subject(name)
    if not len(s.potential.elements):
        s.potential.setup(dataset(s.atoms))
    if not_compiled(s.potential) or not any(list(m.terms()) for m in members(s.potential)):
        pytest.skip("no compiled form")
    require_same(s.potential, list(s.atoms), tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_with_repulsion_and_shifts(name, tmp_path):
    potential = made(name)
    deployed = require_same(potential, [*usual_atoms(), *close_by()], tmp_path)
    assert deployed.elements == ["H", "C", "O"]
    assert "ZBL" in deployed.summary or not any(isinstance(term, Frozen) for term in potential.terms())
    assert "ElementShifts" in deployed.summary


def test_curves_of_large_weights_that_cancel_keep_their_digits(tmp_path):
    pairs = TwoBodyKernel(cutoff=3.2, n_points=20)
    pairs.setup(labelled())
    points, n = pairs.points[0], pairs.n_points
    bent = torch.exp(-((points[:, None] - points) ** 2) / 2) + 1e-5 * torch.eye(n, dtype=torch.float64)
    with torch.no_grad():
        pairs.weights.copy_(torch.linalg.solve(bent, torch.sin(7 * points)).expand_as(pairs.weights))
    assert pairs.weights.abs().max() > 1e3
    assert not not_compiled(pairs)
    require_same(pairs, list(usual_atoms()), tmp_path)


def test_a_committee_has_members(tmp_path):
    potential = Committee([made("snap", seed) for seed in range(3)])
    potential.setup(labelled())
    for k, member in enumerate(potential.members):
        shake(member)
        with torch.no_grad():
            for p in member.parameters():
                p.mul_(1 + 0.1 * k)
    deployed = require_same(potential, [*usual_atoms(), *close_by()], tmp_path)
    assert deployed.n_members == 3
    assert deployed.summary.endswith("a committee of 3")
    given = domain(graph_of(usual_atoms()[0], potential.cutoff), deployed.elements)
    with pytest.raises(ValueError, match="no such member"):
        deployed.evaluate(*given.arrays, member=3)


def test_terms_beside_a_committee_belong_to_every_member(tmp_path):
    shared, members = made("mtp"), [made("snap", seed) for seed in range(2)]
    deployed = opened(shared + Committee(members), tmp_path)
    atoms = usual_atoms()[0]
    graph = graph_of(atoms, 4.5)
    for k, member in enumerate(members):
        found = deployed.evaluate(*domain(graph, deployed.elements).arrays, member=k)
        energies, pull = truth(shared + member, graph)
        close(found.energies, energies, 1e-10)
        close(found.pull, pull, 1e-10)


@pytest.mark.parametrize("name", ["snap", "qsnap", "ace", "gap", "snap by elements"])
def test_grade_is_that_of_the_active_set(name, tmp_path):
    potential = made(name)
    term = next(t for t in potential.terms() if isinstance(t, DescriptorPotential))
    keep_active_set(term, labelled())
    deployed = opened(potential, tmp_path)
    assert deployed.has_grade
    for atoms in (*usual_atoms(), *close_by()):
        graph = graph_of(atoms, potential.cutoff + 0.4)
        found = deployed.evaluate(*domain(graph, deployed.elements).arrays, with_grade=True)
        features = term.descriptor.features(graph.within(term.cutoff)).detach()
        close(found.grade, grade(term.combinations, features, term.species(graph)).numpy(), 1e-8)
        without = deployed.evaluate(*domain(graph, deployed.elements).arrays)
        np.testing.assert_array_equal(found.energies, without.energies)
        np.testing.assert_array_equal(found.pull, without.pull)


def test_grade_of_an_element_that_no_data_had_is_infinite(tmp_path):
    potential = made("snap")
    term = next(t for t in potential.terms() if isinstance(t, DescriptorPotential))
    keep_active_set(term, labelled())
    term.combinations[1] = torch.nan
    deployed = opened(potential, tmp_path)
    atoms = usual_atoms()[0]
    found = deployed.evaluate(*domain(graph_of(atoms, 4.0), deployed.elements).arrays, with_grade=True)
    np.testing.assert_array_equal(np.isinf(found.grade), atoms.numbers == 6)


def test_python_threads_and_kernel_threads_change_nothing(tmp_path):
    deployed = opened(made("gap with triangles") + made("hdnnp") + made("ani"), tmp_path)
    domains = [domain(graph_of(atoms, deployed.cutoff), deployed.elements) for atoms in (*usual_atoms(), *close_by())]
    expected = [deployed.evaluate(*d.arrays) for d in domains]
    wrong = []

    def run(k: int) -> None:
        for _ in range(20):
            found = deployed.evaluate(*domains[k].arrays)
            same = [np.array_equal(getattr(found, x), getattr(expected[k], x)) for x in ("energies", "pull")]
            if not all(same):
                wrong.append(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(domains))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    set_threads(3)
    try:
        for d, e in zip(domains, expected, strict=True):
            found = deployed.evaluate(*d.arrays)
            np.testing.assert_array_equal(found.energies, e.energies)
            np.testing.assert_array_equal(found.pull, e.pull)
    finally:
        set_threads(0)


@pytest.mark.parametrize("name", ["snap", "gap", "hdnnp", "ani", "mtp", "snap by elements", "compact hdnnp"])
def test_empty_domains_and_lone_atoms(name, tmp_path):
    deployed = opened(made(name), tmp_path)
    nothing = np.zeros(1, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = deployed.evaluate(*nothing)
    assert found.energies.shape == (0,)
    assert found.pull.shape == (0, 3)
    lone = np.zeros(4, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), np.arange(3)
    alone = deployed.evaluate(*lone).energies
    far = np.array([0, 1, 1, 2], np.int64), np.full((2, 3), 40.0), np.array([1, 0], np.int64), np.arange(3)
    np.testing.assert_array_equal(deployed.evaluate(*far).energies, alone)
    assert not deployed.evaluate(*far).pull.any()


def test_what_is_wrong_with_atoms_is_said(tmp_path):
    deployed = opened(made("snap"), tmp_path)
    first, neighbor, species = np.array([0, 1, 2]), np.array([1, 0]), np.array([0, 2])
    near = np.array([[1.0, 0.2, 0.0], [-1.0, -0.2, 0.0]])
    deployed.evaluate(first, near, neighbor, species)
    with pytest.raises(ValueError, match="element that the potential does not have"):
        deployed.evaluate(first, near, neighbor, np.array([0, 3]))
    with pytest.raises(ValueError, match="same place"):
        deployed.evaluate(first, 0 * near, neighbor, species)
    with pytest.raises(ValueError, match="no finite place"):
        deployed.evaluate(first, np.nan * near, neighbor, species)
    with pytest.raises(ValueError, match="first must rise"):
        deployed.evaluate(np.array([0, 3, 2]), near, neighbor, species)
    with pytest.raises(ValueError, match="neighbor must be within"):
        deployed.evaluate(first, near, neighbor + 5, species)
