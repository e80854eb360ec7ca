"""Adversarial attacks: gradients against finite differences, disagreement that grows, committees that cannot be."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from small_data import argon

from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.zbl import ZBL
from cambrian.contracts.committee import Committee
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.spread import uncertainty
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF, Radial
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.label.tblite import Tblite
from cambrian.math.symmetry_grids import GasteggerShifted
from cambrian.regressors.neural import NeuralRegressor
from cambrian.sample.adversarial_attack import AdversarialAttack, distinct, graph_at
from cambrian.sample.attack import attack_on, members_of
from cambrian.sample.motions import Displacements, Torsions, rotatable_bonds


def dataset(frames):
    return Dataset([Structure(a) for a in frames])


def pair(epsilon, sigma):
    return LennardJones(epsilon={"Ar": epsilon}, sigma={"Ar": sigma}, cutoff=6.0)


@pytest.fixture(scope="module")
def committee():
    """Lennard-Jones potentials that agree near the minimum and less so elsewhere."""
    return Committee([pair(0.0104, 3.40), pair(0.0100, 3.42), pair(0.0108, 3.38)])


@pytest.fixture(scope="module")
def networks():
    """Networks with different seeds, not fitted: their spread is as wide as can be."""
    data = dataset([bare(molecule("CH3CH2OH")), bare(molecule("CH3CH2OH"), 0.1)])
    members = []
    for seed in range(3):
        descriptor = ACSF(cutoff=4.0, functions=[Radial(GasteggerShifted(4, first=0.8))])
        member = DescriptorPotential(descriptor, NeuralRegressor(hidden=(5,), energy_scale=0.05, seed=seed))
        member.setup(data)
        members.append(member)
    return Committee(members)


def bare(atoms, noise=0.0):
    atoms.rattle(noise, seed=1)
    return atoms


def crystals(n=3):
    frames = argon(n)
    for a in frames:
        a.calc = None
    return frames


@pytest.mark.parametrize("which", ["pairs", "networks"])
def test_the_gradient_is_a_finite_difference(which, committee, networks):
    frames = crystals(2) if which == "pairs" else [bare(molecule("CH3CH2OH"), 0.05)]
    members = members_of(committee if which == "pairs" else networks)
    start = torch.from_numpy(np.concatenate([a.positions for a in frames]))
    lowest = torch.zeros(len(frames), dtype=torch.float64)

    def value(positions):
        return attack_on(members, graph_at(frames, positions, members), 300.0, lowest)[1].sum().item()

    gradient = attack_on(members, graph_at(frames, start, members), 300.0, lowest)[2]
    direction = torch.from_numpy(np.random.default_rng(0).normal(size=start.shape))
    step = 1e-6
    slope = (value(start + step * direction) - value(start - step * direction)) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-5)
    atom = int(gradient.norm(dim=1).argmax())
    moved = torch.zeros_like(start)
    moved[atom, 1] = step
    slope = (value(start + moved) - value(start - moved)) / (2 * step)
    assert slope == pytest.approx(float(gradient[atom, 1]), rel=1e-4)


def test_the_spread_is_that_of_the_committee(committee):
    (atoms,) = crystals(1)
    members = members_of(committee)
    graph = graph_of(atoms, committee.cutoff)
    said, value, _ = attack_on(members, graph, 300.0, torch.tensor([-0.1], dtype=torch.float64))
    spread = uncertainty(committee, graph)
    variance = float((spread.forces**2).mean() / 3)
    assert float(said.force_variance[0]) == pytest.approx(variance)
    kT = 8.617333262e-5 * 300
    assert float(value[0]) == pytest.approx(-(float(said.energy[0]) + 0.1) / kT + np.log(variance + 1e-12))


def test_a_term_beside_the_committee_counts_in_the_energy_alone(committee):
    members = members_of(committee + ZBL())
    assert len(members) == 3
    (atoms,) = crystals(1)
    atoms.positions[1] = atoms.positions[0] + [1.2, 0, 0]
    graph = graph_of(atoms, 6.0)
    zero = torch.zeros(1, dtype=torch.float64)
    alone, beside = (attack_on(m, graph, 300.0, zero)[0] for m in (members_of(committee), members))
    assert float(beside.force_variance[0]) == pytest.approx(float(alone.force_variance[0]), rel=1e-6)
    assert float(beside.energy[0] - alone.energy[0]) > 1


@pytest.mark.parametrize("temperature_K", [100.0, 2000.0])
def test_the_spread_grows_and_heat_lets_the_energy_rise(committee, temperature_K):
    frames = crystals(3)
    drawn = AdversarialAttack(n=3, n_steps=20, temperature_K=temperature_K).propose(dataset(frames), committee, seed=1)
    before = [np.sqrt((uncertainty(committee, graph_of(a, 6.0)).forces ** 2).mean().item() / 3) for a in frames]
    after = [a.info["force_spread"] for a in drawn]
    if temperature_K > 1000:
        assert min(after) > max(before)
    assert max(a.info["energy_above"] for a in drawn) < 1.0
    again = AdversarialAttack(n=3, n_steps=20, temperature_K=temperature_K).propose(dataset(frames), committee, seed=1)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(drawn, again, strict=True))
    assert all(a.info["config_type"] == "adversarial" for a in drawn)


def test_a_colder_attack_ends_lower(committee):
    ends = []
    for temperature_K in (50.0, 3000.0):
        attack = AdversarialAttack(n=2, n_steps=30, temperature_K=temperature_K)
        ends.append(np.mean([a.info["energy_above"] for a in attack.propose(dataset(crystals(3)), committee)]))
    assert ends[0] < ends[1]


def test_what_is_no_committee_is_refused(committee):
    start = dataset(crystals(1))
    attack = AdversarialAttack(n=2, n_steps=3)
    with pytest.raises(UserError, match="at least two members"):
        attack.propose(start, pair(0.01, 3.4))
    with pytest.raises(UserError, match="at least two members"):
        attack.propose(start, Committee([pair(0.01, 3.4)]))
    with pytest.raises(UserError, match="needs a committee of potentials"):
        attack.propose(start, Tblite())
    with pytest.raises(UserError, match="agree everywhere"):
        attack.propose(start, Committee([pair(0.01, 3.4)] * 3))
    with pytest.raises(UserError, match="each of 2 attacks ended above"):
        AdversarialAttack(n=2, n_steps=30, temperature_K=1e5, highest=1e-6).propose(start, committee)


def test_structures_alike_are_kept_once():
    water = molecule("H2O")
    turned = water.copy()
    turned.rotate(40, "x")
    turned = turned[[0, 2, 1]]
    other = bare(water.copy(), 0.2)
    for k, a in enumerate((water, turned, other)):
        a.info["force_spread"] = float(k)
    assert len(distinct([water, turned, other], 0.02)) == 2


def test_rotatable_bonds():
    bonds = rotatable_bonds(molecule("CH3CH2OH"))
    assert {frozenset(b[:2]) for b in bonds} == {frozenset((0, 1)), frozenset((0, 2))} or len(bonds) == 2
    assert rotatable_bonds(molecule("C6H6")) == []
    with pytest.raises(UserError, match="no bond that can turn"):
        Torsions().of(molecule("C6H6"))
    with pytest.raises(UserError, match="Displacements"):
        Torsions().of(crystals(1)[0])


def test_torsions_turn_by_their_angle_and_nothing_else():
    atoms = molecule("CH3CH2OH")
    size, positions = Torsions().of(atoms)
    assert size == 2
    turned = atoms.copy()
    turned.positions = positions(torch.tensor([30.0, -50.0], dtype=torch.float64)).numpy()
    near = atoms.get_all_distances() < 1.7
    np.testing.assert_allclose(turned.get_all_distances()[near], atoms.get_all_distances()[near], atol=1e-9)
    for (a, b, side), angle in zip(rotatable_bonds(atoms), (30.0, -50.0), strict=True):
        before = next(k for k in range(9) if near[a, k] and k not in (a, b))
        change = turned.get_dihedral(before, a, b, side[0]) - atoms.get_dihedral(before, a, b, side[0])
        assert abs(change - angle) % 360 == pytest.approx(0, abs=1e-6) or abs(change + angle) % 360 == pytest.approx(
            0, abs=1e-6
        )


def test_attacks_along_torsions_keep_bonds_and_raise_the_spread(networks):
    start = bare(molecule("CH3CH2OH"), 0.02)
    attack = AdversarialAttack(n=3, n_steps=25, motion=Torsions(), temperature_K=2000.0)
    drawn = attack.propose(dataset([start]), networks, seed=3)
    near = start.get_all_distances() < 1.7
    before = np.sqrt((uncertainty(networks, graph_of(start, 4.0)).forces ** 2).mean().item() / 3)
    for a in drawn:
        np.testing.assert_allclose(a.get_all_distances()[near], start.get_all_distances()[near], atol=1e-9)
        assert a.info["force_spread"] > before


def test_a_motion_of_one_atom_moves_nothing_that_counts():
    with pytest.raises(UserError, match="agree everywhere"):
        AdversarialAttack(n=1, n_steps=2).propose(dataset([Atoms("Ar")]), Committee([pair(0.01, 3.4), pair(0.02, 3.3)]))
    assert Displacements().of(Atoms("Ar"))[0] == 3
