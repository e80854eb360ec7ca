"""Errors by element, direction and size, against what was planted."""

import numpy as np
import pytest
from ase import Atoms
from matplotlib.figure import Figure
from scipy.spatial.transform import Rotation

from cambrian.contracts.predict import Predicted
from cambrian.data import Dataset, Structure
from cambrian.validate import errors as errors_file
from cambrian.validate.errors import LabelErrors
from cambrian.validate.force_errors import AtomErrors, aligned_energies, r_squared


def water(n=10):
    rng = np.random.default_rng(0)
    return Dataset(
        Structure(
            Atoms("OH2" if k % 2 else "O2", positions=rng.normal(size=(3 if k % 2 else 2, 3))),
            energy=-10.0 * k,
            forces=rng.normal(size=(3 if k % 2 else 2, 3)),
            source="run.xyz",
            frame=k,
            group="odd" if k % 2 else "even",
        )
        for k in range(n)
    )


def predicted(data, *, force=lambda s: s.forces, energy=lambda s: s.energy):
    return [Predicted(energy(s), force(s), None, None, None) for s in data]


def result(monkeypatch, data, found, **settings):
    monkeypatch.setattr(errors_file, "predict", lambda potential, data, progress: found)
    return LabelErrors(**settings).run(None, data)


def test_an_element_that_is_wrong_is_named():
    data = water()
    wrong = AtomErrors.of(data, predicted(data, force=lambda s: s.forces + 0.3 * (s.atoms.numbers == 1)[:, None]))
    found = wrong.elements()
    assert found["O"]["force_mae"] == 0
    assert found["O"]["n_atoms"] == 15
    assert found["H"]["force_mae"] == pytest.approx(0.3)
    assert found["H"]["n_atoms"] == 10


def test_turned_forces_have_their_angle_and_stretched_ones_none():
    data = water()
    turn = Rotation.from_rotvec([0, 0, np.radians(20)])
    flat = data.map(lambda s: Structure(s.atoms, s.energy, forces=s.forces * [1, 1, 0]))
    turned = AtomErrors.of(flat, predicted(flat, force=lambda s: turn.apply(s.forces))).directions()
    assert turned["force_angle"] == pytest.approx(20)
    assert turned["force_cosine"] == pytest.approx(np.cos(np.radians(20)))
    assert turned["force_size_mae"] == pytest.approx(0, abs=1e-12)
    stretched = AtomErrors.of(data, predicted(data, force=lambda s: 1.1 * s.forces))
    assert stretched.directions()["force_angle"] == pytest.approx(0, abs=1e-5)
    parts = stretched.by_size()
    assert [p["force_mae"] for p in parts] == sorted(p["force_mae"] for p in parts)
    assert sum(p["n_atoms"] for p in parts) == 25


def test_the_planted_outlier_comes_first(monkeypatch):
    data = water(60)
    found = predicted(data, force=lambda s: s.forces + 0.01, energy=lambda s: s.energy + 0.002 * len(s))
    found[7] = Predicted(
        found[7].energy + 3.0, found[7].forces + np.array([[0, 0, 0], [0, 0, 0], [2.0, 0, 0]]), *[None] * 3
    )
    r = result(monkeypatch, data, found, n_outliers=3)
    worst = r.figures["outliers"]["force"]
    assert len(worst) == 3
    assert (worst[0]["file"], worst[0]["frame"], worst[0]["atom"], worst[0]["element"]) == ("run.xyz", 7, 2, "H")
    assert worst[0]["force_error"] == pytest.approx(np.hypot(2.01, np.hypot(0.01, 0.01)))
    assert r.figures["outliers"]["energy"][0]["frame"] == 7
    assert r.figures["outliers"]["energy"][0]["energy_error"] == pytest.approx(1.002)
    assert "worst force in run.xyz, frame 7, atom 2 (H)" in r.sentence
    assert {"groups_energy", "groups_forces", "error_by_force"} < set(r.plots)
    for draw in r.plots.values():
        draw(Figure().add_subplot())


def test_offsets_of_elements_are_taken_away(monkeypatch):
    data = water()

    def shifted(s):
        return s.energy + 0.5 * np.sum(s.atoms.numbers == 8) - 0.2 * np.sum(s.atoms.numbers == 1)

    r = result(monkeypatch, data, predicted(data, energy=shifted))
    assert r.figures["energy_mae"] > 0.01
    assert r.figures["energy_mae_aligned"] == pytest.approx(0, abs=1e-12)
    unlabelled = data.map(lambda s: Structure(s.atoms))
    assert aligned_energies(unlabelled, np.full((10, 2), np.nan))["energy_mae_aligned"] is None


def test_share_of_variance():
    x = np.random.default_rng(0).normal(size=1000)
    assert r_squared(np.column_stack([x, x])) == 1.0
    assert r_squared(np.column_stack([x, np.full(1000, x.mean())])) == pytest.approx(0.0)
    assert r_squared(np.ones((5, 2))) is None


def test_without_forces(monkeypatch):
    data = water().map(lambda s: Structure(s.atoms, s.energy))
    r = result(monkeypatch, data, predicted(data, force=lambda s: np.zeros((len(s), 3))))
    assert r.figures["elements"] == {}
    assert r.figures["outliers"]["force"] == []
    assert r.figures["force_angle"] is None
    assert LabelErrors().unsuited(None, data, None) == ""
    assert "no labels" in LabelErrors().unsuited(None, data.map(lambda s: Structure(s.atoms)), None)
