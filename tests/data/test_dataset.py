"""Splits, folds, weights, batches and the hash."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.data import Dataset, Structure, read, write
from cambrian.errors import UserError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")


def hydrogen(n: int = 40, groups: int = 4) -> Dataset:
    found = []
    for k in range(n):
        atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7 + 0.01 * k]])
        group = f"g{k % groups}"
        found.append(
            Structure(atoms, energy=-float(k), forces=np.full((2, 3), k), group=group, source="a.xyz", frame=k)
        )
    return Dataset(found)


def frames(data: Dataset) -> list[int]:
    return [s.frame for s in data]


@pytest.mark.parametrize("by", ["structure", "group", "block"])
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_splits_are_disjoint_complete_and_repeatable(by, fraction):
    data = hydrogen()
    first, second = data.split(fraction, by=by, seed=3)
    assert sorted(frames(first) + frames(second)) == list(range(40))
    assert frames(first) == sorted(frames(first))
    again = data.split(fraction, by=by, seed=3)
    assert (frames(again[0]), frames(again[1])) == (frames(first), frames(second))
    assert first
    assert second


def test_split_by_structure_has_its_fraction_and_depends_on_the_seed():
    data = hydrogen()
    assert len(data.split(0.9)[0]) == 36
    assert frames(data.split(0.9, seed=1)[1]) != frames(data.split(0.9, seed=2)[1])
    assert [len(part) for part in hydrogen(3).split(0.99)] == [2, 1]


def test_split_by_group_keeps_groups_whole():
    first, second = hydrogen().split(0.7, by="group")
    assert not set(first.groups) & set(second.groups)
    with pytest.raises(UserError, match="at least two groups"):
        hydrogen(groups=1).split(0.5, by="group")


def test_blocks_do_not_interleave():
    first, second = hydrogen().split(0.8, by="block")
    for name in ("g0", "g1", "g2", "g3"):
        last = max(s.frame for s in first if s.group == name)
        assert last < min(s.frame for s in second if s.group == name)


def test_blocks_of_single_frames_are_refused():
    with pytest.raises(UserError, match="groups are too small"):
        hydrogen(4, groups=4).split(0.8, by="block")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_impossible_fractions(fraction):
    with pytest.raises(UserError, match="between 0 and 1"):
        hydrogen().split(fraction)


def test_unknown_way_to_split():
    with pytest.raises(UserError, match="not by 'time'"):
        hydrogen().split(0.5, by="time")


@pytest.mark.parametrize("by", ["structure", "group"])
def test_folds(by):
    data = hydrogen(41, groups=7)
    folds = data.folds(5, by=by, seed=1)
    assert sorted(k for _, held in folds for k in frames(held)) == list(range(41))
    for train, held in folds:
        assert sorted(frames(train) + frames(held)) == list(range(41))
        assert by == "structure" or not set(train.groups) & set(held.groups)
    assert [frames(held) for _, held in data.folds(5, by=by, seed=1)] == [frames(held) for _, held in folds]
    if by == "structure":
        assert {len(held) for _, held in folds} == {8, 9}
    else:
        assert min(len(held) for _, held in folds) > 0


def test_impossible_folds():
    for k, by in ((1, "structure"), (41, "structure"), (5, "group")):
        with pytest.raises(UserError, match="folds need"):
            hydrogen().folds(k, by=by)
    with pytest.raises(UserError, match="not by 'block'"):
        hydrogen().folds(3, by="block")


def test_slices_sums_and_groups():
    data = hydrogen()
    assert isinstance(data[0], Structure)
    assert frames(data[1:3]) == [1, 2]
    assert frames(data[[5, 0]]) == [5, 0]
    assert frames(data[np.array([7])]) == [7]
    assert len(data[:3] + data[5:]) == 38
    assert data.n_atoms == 80
    assert data.numbers == (1,)
    assert data.groups == ("g0", "g1", "g2", "g3")


def test_group_weights_multiply():
    data = hydrogen().map(lambda s: replace(s, weights={"energy": 2.0}))
    weighted = data.with_group_weights({"g1": {"energy": 3.0, "force": 0.5}})
    assert weighted[1].weights == {"energy": 6.0, "force": 0.5, "stress": 1.0}
    assert weighted[0].weights["energy"] == 2.0
    with pytest.raises(UserError, match="no structure belongs to group 'g9'; the groups are g0"):
        data.with_group_weights({"g9": {}})


@needs_data
def test_hash_does_not_depend_on_the_file(tmp_path):
    data = read(DATA / "mlearn" / "Si_test.extxyz")
    write(tmp_path / "renamed.extxyz", data)
    assert read(tmp_path / "renamed.extxyz").hash == data.hash
    assert data[::-1].hash != data.hash
    assert Dataset([replace(data[0], energy=data[0].energy + 1e-12), *data[1:]]).hash != data.hash


@needs_data
def test_batches_hold_every_structure_in_order():
    data = read(DATA / "mlearn" / "Si_test.extxyz")
    batches = list(data.batches(4.0, n_atoms=200))
    assert 1 < len(batches) < len(data)
    assert sum(graph.n_structures for graph, _ in batches) == len(data)
    numbers = torch.cat([graph.numbers for graph, _ in batches])
    assert numbers.tolist() == [int(z) for s in data for z in s.atoms.numbers]
    energies = torch.cat([labels.energy for _, labels in batches])
    assert energies.tolist() == [s.energy for s in data]
    for graph, labels in batches:
        assert labels.forces.shape == (graph.n_atoms, 3)
        assert graph.atoms_per_structure.tolist() == labels.n_atoms.tolist()
    stress = torch.cat([labels.stress for _, labels in batches])
    assert torch.equal(stress, torch.from_numpy(np.stack([s.stress for s in data])))


def test_absent_labels_are_nan():
    bare, full = Structure(Atoms("H")), hydrogen(1)[0]
    ((_, labels),) = Dataset([bare, full]).batches(2.0)
    assert torch.isnan(labels.energy).tolist() == [True, False]
    assert torch.isnan(labels.forces).all(dim=1).tolist() == [True, False, False]
    assert torch.isnan(labels.stress).all()
    assert torch.isnan(labels.charges).all()


def test_a_bad_geometry_is_named_by_file_and_frame():
    data = Dataset([*hydrogen(2), Structure(Atoms("H2"), source="b.xyz", frame=7)])
    with pytest.raises(UserError, match=r"b.xyz, frame 7: atoms 0 \(H\) and 1 \(H\) are at one place"):
        list(data.batches(3.0))
