"""Selectors: what each promises, on structures whose oddity is planted; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from own_model import InversePowers
from small_data import argon

from cambrian.classical.lennard_jones import LennardJones
from cambrian.configuration.kinds import named
from cambrian.contracts import Committee, DescriptorPotential, Potential, Selector, Terms, evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor
from cambrian.select.atomic_energy import AtomicEnergySelector
from cambrian.select.cur import CUR
from cambrian.select.energy import EnergySelector
from cambrian.select.farthest_point import FarthestPoint
from cambrian.select.force import ForceSelector
from cambrian.select.random import RandomSelector
from cambrian.select.uncertainty import UncertaintySelector

ODD = (7, 19)


def structure(atoms, k: int) -> Structure:
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    atoms = atoms.copy()
    atoms.calc = None
    return Structure(atoms, frame=k, source="argon.xyz", **labels)


@pytest.fixture(scope="module")
def usual() -> Dataset:
    """Thirty alike."""
    return Dataset(structure(a, k) for k, a in enumerate(argon(30, size=1, spread=0.05)))


@pytest.fixture(scope="module")
def data(usual) -> Dataset:
    """Two of the thirty are odd: in both, one atom is far from its place."""
    from ase.calculators.lj import LennardJones as Reference

    members = list(usual)
    for k in ODD:
        atoms = members[k].atoms.copy()
        atoms.positions[1] += [0.9, 0.01 * k, 0.2]
        atoms.calc = Reference(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
        members[k] = structure(atoms, k)
    return Dataset(members)


@pytest.fixture(scope="module")
def potential(usual) -> DescriptorPotential:
    """Fitted to the usual structures, with a posterior."""
    made = DescriptorPotential(InversePowers(cutoff=5.0, powers=[4, 6, 9, 12]), LinearRegressor())
    fit(made, usual, LeastSquares())
    return made


@pytest.fixture(params=sorted(named(Selector)))
def selector(request) -> Selector:
    return named(Selector)[request.param].example()


def test_the_catalogue_has_them():
    names = {"random", "energy", "atomic_energy", "force", "farthest_point", "cur", "uncertainty"}
    assert names <= set(named(Selector))


def test_contract(selector, data, potential):
    """Different indices, no more than there are, the same for the same seed; progress from 0 to 1."""
    seen = []
    chosen = selector.choose(data, 8, potential=potential, seed=5, progress=seen.append)
    assert len(chosen) == len(set(chosen)) == 8
    assert all(type(k) is int and 0 <= k < len(data) for k in chosen)
    assert selector.choose(data, 8, potential=potential, seed=5) == chosen
    assert sorted(selector.choose(data, 99, potential=potential)) == list(range(len(data)))
    assert all(0 <= f <= 1 + 1e-12 for f in seen)


def test_what_is_known_is_not_chosen_again(selector, data, potential):
    again = selector.choose(data, 99, known=data[[3, 4, 19]], potential=potential)
    assert sorted(again) == sorted(set(range(len(data))) - {3, 4, 19})
    assert selector.choose(data, 5, known=data, potential=potential) == []
    assert selector.choose(data[:0], 5, potential=potential) == []


@pytest.mark.parametrize(
    "selector",
    [
        EnergySelector(n_bins=10),
        ForceSelector(n_bins=10),
        AtomicEnergySelector(n_bins=10),
        FarthestPoint(),
        FarthestPoint(by="atoms"),
        CUR(),
        UncertaintySelector(),
        UncertaintySelector(by="mean", shortlist=1.5),
    ],
    ids=lambda s: type(s).__name__,
)
def test_the_odd_ones_are_among_the_first(selector, data, potential):
    n = 12 if hasattr(selector, "n_bins") else 6  # both may stand in one bin, which is drawn from once in a round
    assert set(ODD) <= set(selector.choose(data, n, potential=potential, seed=1))


def test_random_choice_finds_them_by_chance_alone(data):
    found = [set(ODD) <= set(RandomSelector().choose(data, 12, seed=seed)) for seed in range(40)]
    assert 0 < sum(found) < 20  # 12 x 11 / (30 x 29) = 0.15 of 40


def test_what_is_known_steers(data, potential):
    """Once an odd structure is known, the other is less unusual; the farthest point is not beside a known one."""
    known = data[[k for k in range(len(data)) if k not in ODD]]
    first, second = FarthestPoint().choose(data, 2, known=known, potential=potential)
    assert {first, second} == set(ODD)
    energies = EnergySelector(n_bins=2).choose(data, 1, known=known[:20], seed=3)
    assert energies[0] in ODD  # the upper half of the histogram has none yet


def test_labels_or_else_the_potential(data, potential):
    bare = data.map(lambda s: replace(s, energy=float("nan"), forces=None))
    for selector in (EnergySelector(n_bins=10), ForceSelector(n_bins=10)):
        assert set(ODD) <= set(selector.choose(bare, 12, potential=potential))
        with pytest.raises(UserError, match=r"argon\.xyz, frame 0: .*--potential"):
            selector.choose(bare, 6)
    half = Dataset([*data[:10], *bare[10:]])
    assert set(ODD) <= set(EnergySelector(n_bins=10).choose(half, 12, potential=potential))


def test_a_descriptor_of_ones_own(data):
    own = InversePowers(cutoff=5.0, powers=[6, 12])
    for selector in (FarthestPoint(descriptor=own), CUR(descriptor=own)):
        assert set(ODD) <= set(selector.choose(data, 6))
    with pytest.raises(UserError, match="descriptor=ACSF"):
        FarthestPoint().choose(data, 3)


def test_a_committee_tells_its_uncertainty_too(usual, data):
    members = []
    for powers in ([4, 6, 9], [6, 9, 12], [5, 8, 11]):
        member = DescriptorPotential(InversePowers(cutoff=5.0, powers=powers), LinearRegressor())
        fit(member, usual, LeastSquares())
        members.append(member)
    committee = Committee(members)
    chosen = UncertaintySelector().choose(data, 2, potential=committee)
    forces = [[evaluate(m, graph_of(s.atoms, 5.0)).forces.numpy() for m in members] for s in data]
    spread = [np.linalg.norm(np.std(f, axis=0), axis=-1).max() for f in forces]
    assert chosen == np.argsort(spread)[::-1][:2].tolist()


def test_the_shortlist_spreads_out(data, potential):
    """Copies of the most uncertain structure fill a plain choice; from a list, the other odd one comes too."""
    copies = [replace(data[ODD[0]], atoms=data[ODD[0]].atoms.copy()) for _ in range(5)]
    crowd = Dataset([*data, *copies])
    plain = UncertaintySelector().choose(crowd, 3, potential=potential)
    spread = UncertaintySelector(shortlist=4).choose(crowd, 3, potential=potential)
    alike = {ODD[0], *range(30, 35)}
    assert len(alike & set(spread)) <= 1
    assert len(set(plain) - alike) <= 1 or set(plain) & set(ODD)


class Faceless(Potential):
    """An energy of the whole, without atomic energies."""

    def __init__(self):
        super().__init__()
        self.cutoff = 3.0

    def forward(self, graph):
        return Terms(graph.positions.sum() * graph.cell.new_ones(graph.n_structures))

    @classmethod
    def example(cls):
        return cls()


def test_what_is_missing_is_said(data):
    with pytest.raises(UserError, match="give one"):
        AtomicEnergySelector().choose(data, 2)
    with pytest.raises(UserError, match="give one"):
        UncertaintySelector().choose(data, 2)
    with pytest.raises(UserError, match="no atomic energies"):
        AtomicEnergySelector().choose(data, 2, potential=Faceless())
    sure = LennardJones(epsilon={"Ar": 0.01}, sigma={"Ar": 3.4}, cutoff=6.0)
    with pytest.raises(UserError, match=r"frame 0: only a committee"):
        UncertaintySelector().choose(data, 2, potential=sure)
    with pytest.raises(ValueError, match="shortlist"):
        UncertaintySelector(shortlist=0.5)


def test_elements_are_told_apart():
    """The same places, two atoms exchanged: another structure, although the mean over all atoms is the same."""
    from ase import Atoms

    places = [[0, 0, 0], [1.5, 0, 0], [4.0, 0, 0]]
    usual = [Atoms("CCO", np.array(places) + np.random.default_rng(k).normal(0, 1e-3, (3, 3))) for k in range(12)]
    usual[5] = Atoms("COC", places)
    data = Dataset(Structure(a, frame=k) for k, a in enumerate(usual))
    own = InversePowers(cutoff=5.0, powers=[4, 6])
    for selector in (FarthestPoint(descriptor=own), FarthestPoint(descriptor=own, by="atoms"), CUR(descriptor=own)):
        assert 5 in selector.choose(data, 3)
