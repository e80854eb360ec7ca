"""The census against counts made another way; predictions written and read back."""

import json
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from cambrian.data import Dataset, Structure, read, write
from cambrian.data.census import census, shortest_distances
from cambrian.data.predictions import with_predictions
from cambrian.errors import UserError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")


@needs_data
def test_census_of_silicon():
    images = ase.io.read(DATA / "mlearn" / "Si_test.extxyz", ":")
    found = census(read(DATA / "mlearn" / "Si_test.extxyz"))
    assert (found.n_structures, found.n_atoms, found.n_periodic) == (25, 1525, 25)
    assert found.labels == {"energy": 25, "forces": 25, "stress": 25}
    assert {name: n["structures"] for name, n in found.groups.items()} == {
        name: sum(a.info["group"] == name for a in images) for name in {a.info["group"] for a in images}
    }
    energies = [a.get_potential_energy() / len(a) for a in images]
    assert found.energy_per_atom.low == pytest.approx(min(energies))
    assert found.energy_per_atom.high == pytest.approx(max(energies))
    pressures = [-np.trace(a.get_stress(voigt=False)) / 3 for a in images]
    assert found.stress.mean == pytest.approx(np.mean(pressures))
    assert found.shortest["Si-Si"] == pytest.approx(min(neighbor_list("d", a, 4.0).min() for a in images))
    json.dumps(found.plain(), allow_nan=False)
    rows = dict(found.rows())
    assert rows["atoms"] == "1525"
    assert "Vacancy" in rows["groups (structures)"]
    assert "total charges (e)" not in rows


@needs_data
def test_census_of_isolated_atoms_and_molecules():
    data = read(DATA / "ethanol-botnet" / "isolated_atoms.extxyz", DATA / "ethanol-botnet" / "test_H_removal.extxyz")
    found = census(data)
    assert found.stated_e0["H"] == pytest.approx(-13.568, abs=1e-3)
    assert found.fitted_e0 == {} or len(found.fitted_e0) == 4
    assert set(found.shortest) == {"H-H", "H-C", "H-O", "C-C", "C-O"}
    assert found.stress is None
    assert found.force is None


def test_census_of_little():
    found = census(Dataset([Structure(Atoms("He"))]))
    assert found.labels == {}
    assert found.energy_per_atom is None
    assert ("structures", "1 (0 periodic in three directions)") in found.rows()
    assert census(Dataset([])).rows()[0] == ("structures", "0 (0 periodic in three directions)")
    assert shortest_distances(Dataset([])) == {}


@dataclass
class Said:
    energy: float
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    energies: np.ndarray | None = None
    charges: np.ndarray | None = None


@needs_data
def test_predictions_stand_under_ase_keys_and_labels_under_ref(tmp_path):
    data = read(DATA / "mlearn" / "Si_test.extxyz")
    rng = np.random.default_rng(0)
    said = [Said(rng.normal(), rng.normal(size=(len(s), 3)), s.stress * 1.1, rng.normal(size=len(s))) for s in data]
    write(tmp_path / "out.extxyz", with_predictions(data, said))
    for atoms, s, p in zip(ase.io.read(tmp_path / "out.extxyz", ":"), data, said, strict=True):
        assert atoms.get_potential_energy() == p.energy
        assert np.array_equal(atoms.get_forces(), p.forces)
        assert np.allclose(atoms.get_stress(voigt=False), p.stress, rtol=1e-14)
        assert atoms.info["REF_energy"] == s.energy
        assert np.array_equal(atoms.arrays["REF_forces"], s.forces)
        assert np.array_equal(atoms.arrays["atomic_energies"], p.energies)
    again = read(tmp_path / "out.extxyz")  # the labels, not the predictions
    assert again.hash == data.hash
    assert "took 'REF_energy', passed over 'energy'" in again.notes[0]
    assert read(tmp_path / "out.extxyz", energy_key="energy")[0].energy == said[0].energy


def test_predictions_without_labels_and_labels_without_predictions(tmp_path):
    bare = Structure(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]]))
    full = Structure(bare.atoms, energy=-31.0, forces=np.ones((2, 3)), charges=np.array([0.1, -0.1]))
    nothing = np.full((3, 3), np.nan)
    data = with_predictions(Dataset([bare, full]), [Said(-30.0, np.zeros((2, 3)), nothing), Said(-30.5)])
    write(tmp_path / "out.extxyz", data)
    first, second = ase.io.read(tmp_path / "out.extxyz", ":")
    assert "REF_energy" not in first.info
    assert "stress" not in first.calc.results
    assert second.info["REF_energy"] == -31.0
    assert "forces" not in second.calc.results
    assert second.arrays["REF_charges"].tolist() == [0.1, -0.1]
    twice = with_predictions(data, [Said(1.0), Said(2.0)])
    assert twice[1].atoms.info["REF_energy"] == -30.5


def test_predictions_must_be_as_many():
    with pytest.raises(UserError, match="1 predictions for 0 structures"):
        with_predictions(Dataset([]), [Said(1.0)])
