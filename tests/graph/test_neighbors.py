"""Neighbor lists against ASE's own (another algorithm), reuse with a skin, and geometries that must be refused."""

import itertools
from dataclasses import fields

import ase.neighborlist
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from cambrian.errors import UserError
from cambrian.graph import NeighborList, batch, graph_of, graph_of_all
from cambrian.graph.neighbors import refuse_bad_geometry


def triclinic(seed: int, *, n_atoms: int = 5, pbc=True) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2.5, 4, 3)) + rng.uniform(-1.2, 1.2, (3, 3))
    inside = rng.uniform(-0.3, 1.3, (n_atoms, 3))  # atoms need not lie in the cell
    return Atoms("Si" * n_atoms, scaled_positions=inside, cell=cell, pbc=pbc)


def edges(graph) -> set[tuple[int, ...]]:
    columns = np.column_stack([graph.center, graph.neighbor, graph.shift])
    return set(map(tuple, columns.tolist()))


def same_edges(a, b) -> bool:
    return all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("center", "neighbor", "shift", "r_ij"))


def same_but_for_rounding(a, b) -> bool:
    return all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("center", "neighbor", "shift")) and torch.allclose(
        a.r_ij, b.r_ij, rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("pbc", list(itertools.product([True, False], repeat=3)))
@pytest.mark.parametrize("cutoff", [1.0, 3.0, 9.0])  # up to three cell lengths
@pytest.mark.parametrize("make", [graph_of, lambda atoms, cutoff: NeighborList(cutoff).graph(atoms)])
def test_edges_are_those_of_ase(pbc, cutoff, make):
    for seed in range(3):
        atoms = triclinic(seed, pbc=pbc)
        graph = make(atoms, cutoff)
        i, j, shift = ase.neighborlist.neighbor_list("ijS", atoms, cutoff)
        assert edges(graph) == set(map(tuple, np.column_stack([i, j, shift]).tolist()))
        assert graph.n_edges == len(i)


def test_one_list_of_many_structures_is_that_of_each():
    crystals = [triclinic(seed, pbc=[seed % 2, True, seed % 3 > 0]) for seed in range(6)]
    many = [*crystals, bulk("Cu", a=3.6), molecule("CH3CH2OH"), bulk("Si", cubic=True) * 3, Atoms("H")]
    for cutoff in (0.5, 4.0):
        joint = graph_of_all(many, cutoff, total_charge=[0.5] * len(many), spin=range(len(many)))
        each = [NeighborList(cutoff).graph(a, total_charge=0.5, spin=k) for k, a in enumerate(many)]
        expected = batch(each)
        for entry in fields(joint):
            one, other = getattr(joint, entry.name), getattr(expected, entry.name)
            if isinstance(one, torch.Tensor):
                torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_a_bad_structure_among_many_is_named():
    at_one_place = Atoms("SiC", [[0, 0, 0], [3.0, 3.0, 6.0]], cell=[3, 3, 3], pbc=True)
    with pytest.raises(UserError, match=r"atoms 0 \(Si\) and 1 \(C\) are at one place"):
        graph_of_all([bulk("Cu"), at_one_place], 2.0, total_charge=[0, 0], spin=[0, 0])
    flat = Atoms("Si", cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], pbc=True)
    with pytest.raises(UserError, match="flat"):
        graph_of_all([bulk("Cu"), flat], 2.0, total_charge=[0, 0], spin=[0, 0])


def test_self_images_of_one_atom():
    graph = graph_of(bulk("Cu", a=3.6), 10.0)
    i, *_ = ase.neighborlist.neighbor_list("ijS", bulk("Cu", a=3.6), 10.0)
    assert graph.n_edges == len(i) > 300
    assert bool((graph.shift != 0).any(dim=1).all())


def test_order_and_vectors():
    graph = graph_of(triclinic(7, n_atoms=6), 6.0)
    rows = np.column_stack([graph.center, graph.neighbor, graph.shift]).tolist()
    assert rows == sorted(rows)
    r_ij = graph.positions[graph.neighbor] - graph.positions[graph.center] + graph.shift.double() @ graph.cell[0]
    assert torch.allclose(graph.r_ij, r_ij, rtol=0, atol=1e-14)
    backward = {(j, i, -a, -b, -c) for i, j, a, b, c in rows}
    assert backward == edges(graph)
    start = graph.first_edge
    assert all((graph.center[start[k] : start[k + 1]] == k).all() for k in range(graph.n_atoms))


def test_missing_cell_vectors_of_open_directions():
    slab = Atoms("Cu2", positions=[[0, 0, 0], [1.2, 1.2, 1.8]], cell=[2.5, 2.5, 0], pbc=[True, True, False])
    i, j, shift = ase.neighborlist.neighbor_list("ijS", slab, 4.0)
    assert edges(graph_of(slab, 4.0)) == set(map(tuple, np.column_stack([i, j, shift]).tolist()))


def test_one_atom_and_no_neighbors():
    for atoms in (Atoms("H"), Atoms("H", cell=[20, 20, 20], pbc=True), Atoms("H2", positions=[[0, 0, 0], [0, 0, 9]])):
        graph = graph_of(atoms, 4.0)
        assert graph.n_edges == 0
        assert graph.triplets(4.0).first.shape == (0,)


def test_order_of_atoms_does_not_matter_for_the_set():
    atoms = triclinic(3, n_atoms=8)
    order = np.random.default_rng(0).permutation(8)
    mixed = {(order[i], order[j], a, b, c) for i, j, a, b, c in edges(graph_of(atoms[order], 5.0))}
    assert mixed == edges(graph_of(atoms, 5.0))


def test_skin_is_exact_and_builds_seldom():
    atoms = bulk("Si", cubic=True) * 2
    listing, rng = NeighborList(4.5, skin=1.0), np.random.default_rng(0)
    for _ in range(40):
        atoms.positions += rng.normal(scale=0.05, size=(64, 3))
        assert same_edges(listing.graph(atoms), graph_of(atoms, 4.5))
    assert 1 < listing.n_builds < 20


def test_skin_holds_to_its_very_edge():
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 5.9]])
    listing = NeighborList(5.0, skin=1.0)
    assert listing.graph(atoms).n_edges == 0
    atoms.positions[:, 2] = [0.499, 5.401]  # each moved by just under half the skin
    assert listing.graph(atoms).n_edges == 2
    assert listing.n_builds == 1
    atoms.positions[0, 2] = 0.5
    listing.graph(atoms)
    assert listing.n_builds == 2


@pytest.mark.parametrize("pbc", [True, [True, False, True]])
def test_skin_outlasts_changes_of_the_cell(pbc):
    atoms, rng = triclinic(5, n_atoms=12), np.random.default_rng(0)
    atoms.pbc = pbc
    listing = NeighborList(4.5, skin=1.0)
    for _ in range(60):
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.004, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        assert same_but_for_rounding(listing.graph(atoms), graph_of(atoms, 4.5))
    assert 1 < listing.n_builds < 20


@pytest.mark.parametrize(("pressed", "builds"), [(0.834, 1), (0.833, 2)])
def test_skin_holds_to_the_last_deformation(pressed, builds):
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 6.001]], cell=[20, 20, 20], pbc=True)
    listing = NeighborList(5.0, skin=1.0)
    assert listing.graph(atoms).n_edges == 0
    atoms.set_cell([20, 20, 20 * pressed], scale_atoms=True)  # 5/6 of its height is what the skin bears
    assert listing.graph(atoms).n_edges == (0 if builds == 1 else 2)
    assert listing.n_builds == builds


def test_a_turned_cell_needs_no_new_list():
    atoms = triclinic(6, n_atoms=8)
    listing = NeighborList(4.0, skin=0.5)
    listing.graph(atoms)
    atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    assert same_but_for_rounding(listing.graph(atoms), graph_of(atoms, 4.0))
    assert listing.n_builds == 1


@pytest.mark.parametrize("cell", [[5.4, 5.4, 0], [[5, 0, 0], [0, 5, 0], [5, 5, 0]], [5, np.nan, 5]])
def test_skin_refuses_a_cell_that_became_impossible(cell):
    atoms = bulk("Si", cubic=True)
    listing = NeighborList(4.0, skin=1.0)
    listing.graph(atoms)
    atoms.set_cell(cell)
    with pytest.raises(UserError, match="the cell"):
        listing.graph(atoms)


@pytest.mark.parametrize("change", ["cell", "pbc", "numbers", "length"])
def test_skin_notices_other_changes(change):
    atoms = bulk("Si", cubic=True)
    listing = NeighborList(4.0, skin=1.0)
    listing.graph(atoms)
    if change == "cell":
        atoms.set_cell(atoms.cell.array * 0.8)
    elif change == "pbc":
        atoms.pbc = [True, True, False]
    elif change == "numbers":
        atoms.numbers[0] = 6
    else:
        atoms = atoms[:5]
    assert same_edges(listing.graph(atoms), graph_of(atoms, 4.0))
    assert listing.n_builds == 2


def test_no_skin_builds_every_time():
    listing = NeighborList(4.0)
    listing.graph(bulk("Si")), listing.graph(bulk("Si"))
    assert listing.n_builds == 2


def test_graphs_stay_as_they_were():
    atoms = bulk("Si", cubic=True)
    listing = NeighborList(4.0, skin=1.0)
    first = listing.graph(atoms)
    before = first.r_ij.clone(), first.positions.clone()
    atoms.positions[0] += 0.1
    listing.graph(atoms)
    assert torch.equal(first.r_ij, before[0])
    assert torch.equal(first.positions, before[1])


BAD = {
    "flat": (Atoms("H", cell=[[3, 0, 0], [0, 3, 0], [3, 3, 0]], pbc=True), "the cell is flat"),
    "zero": (Atoms("H", pbc=True), "the cell is flat"),
    "one vector lacks": (Atoms("H", cell=[3, 3, 0], pbc=True), "the cell is flat"),
    "NaN cell": (Atoms("H", cell=[3, np.nan, 3], pbc=True), "the cell holds a value that is not a finite number"),
    "NaN": (Atoms("H2", positions=[[0, 0, 0], [0, np.nan, 1]]), "the position of atom 1 is not a finite number"),
    "infinite": (Atoms("H2", positions=[[np.inf, 0, 0], [0, 0, 1]]), "the position of atom 0"),
    "one place": (Atoms("OH2", positions=[[0, 0, 0], [0, 0, 1], [0, 0, 1]]), r"atoms 1 \(H\) and 2 \(H\) are at one"),
    "one place across the cell": (
        Atoms("Cu2", positions=[[0, 0, 0], [3, 0, 1e-9]], cell=[3, 3, 3], pbc=True),
        r"atoms 0 \(Cu\) and 1 \(Cu\) are at one place",
    ),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("look", [lambda a: graph_of(a, 4.0), refuse_bad_geometry])
def test_impossible_geometries(fault, look):
    atoms, message = BAD[fault]
    with pytest.raises(UserError, match=message):
        look(atoms)


def test_atoms_that_meet_while_a_list_is_reused():
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.3]])
    listing = NeighborList(4.0, skin=2.0)
    listing.graph(atoms)
    atoms.positions[1, 2] = 0
    with pytest.raises(UserError, match="are at one place"):
        listing.graph(atoms)


def brute_triplets(graph, cutoff: float) -> set[tuple[int, int]]:
    near = graph.within(cutoff)
    return {(a, b) for a in range(near.n_edges) for b in range(a + 1, near.n_edges) if near.center[a] == near.center[b]}


def test_within_and_triplets():
    graph = batch([graph_of(triclinic(1), 4.0), graph_of(molecule("CH3OH"), 4.0), graph_of(Atoms("H"), 4.0)])
    for cutoff in (4.0, 3.0, 1.5, 0.2):
        near = graph.within(cutoff)
        kept = graph.r_ij.norm(dim=1) < cutoff
        assert torch.equal(near.r_ij, graph.r_ij[kept])
        assert torch.equal(near.center, graph.center[kept])
        assert graph.within(cutoff).within(cutoff).n_edges == near.n_edges
        triplets = graph.triplets(cutoff)
        pairs = list(zip(triplets.first.tolist(), triplets.second.tolist(), strict=True))
        assert len(pairs) == len(set(pairs))
        assert set(pairs) == brute_triplets(graph, cutoff)
    nested = graph.within(3.0).within(1.5)
    assert torch.equal(nested.r_ij, graph.within(1.5).r_ij)
    with pytest.raises(ValueError, match="fewer than the 5"):
        graph.within(5.0)


def test_batch_keeps_every_structure():
    singles = [graph_of(triclinic(k, n_atoms=k + 1), 3.0, total_charge=k, spin=2 * k) for k in range(4)]
    graph = batch(singles)
    assert graph.n_structures == 4
    assert graph.atoms_per_structure.tolist() == [1, 2, 3, 4]
    assert graph.total_charge.tolist() == [0, 1, 2, 3]
    assert torch.equal(graph.r_ij, torch.cat([g.r_ij for g in singles]))
    assert torch.equal(graph.structure[graph.center], graph.structure[graph.neighbor])
    assert torch.allclose(graph.volume, torch.stack([g.volume[0] for g in singles]))
    offset = 0
    for k, single in enumerate(singles):
        mine = graph.structure[graph.center] == k
        assert torch.equal(graph.center[mine] - offset, single.center)
        offset += single.n_atoms
