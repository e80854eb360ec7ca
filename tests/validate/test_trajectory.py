"""Trajectories: what dynamics gave, as arrays; and the same again from a file that wrapped its atoms."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure, read
from cambrian.errors import UserError
from cambrian.sample.ensembles import NPT, NVE
from cambrian.validate.trajectory import produce, trajectory_of, unwrapped


def lennard_jones():
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0)


def argon():
    return bulk("Ar", cubic=True, a=5.4)


def test_production_after_equilibration():
    heard = []
    t = produce(
        lennard_jones(), argon(), NVE(60), n_steps=60, timestep_fs=4.0, every=3, equilibration_fs=80, seed=3,
        watch={"stress": lambda a: a.calc.results["stress"]}, progress=heard.append,
    )  # fmt: skip
    assert t.times.tolist() == [12.0 * k for k in range(21)]
    assert t.interval_fs == pytest.approx(12.0)
    assert t.positions.shape == t.velocities.shape == (21, 4, 3)
    assert t.extras["stress"].shape == (21, 6)
    assert np.ptp(t.total_energy) < 1e-4
    central = (t.positions[2:] - t.positions[:-2]) / 24.0
    np.testing.assert_allclose(central, t.velocities[1:-1], atol=2e-5)
    kinetic = 0.5 * (t.masses[:, None] * t.velocities**2).sum(axis=(1, 2)) * 103.642697  # amu Å²/fs² in eV
    np.testing.assert_allclose(2 * kinetic / (9 * 8.617333e-5), t.temperature_K, rtol=1e-5)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert [f.positions.tolist() for f in t.frames()] == t.positions.tolist()


def test_a_run_that_breaks_says_so():
    t = produce(lennard_jones(), bulk("Ar", cubic=True, a=2.2), NVE(60), n_steps=10, timestep_fs=2.0)
    assert "while it was brought to temperature" in t.stopped
    assert len(t) == 0


def test_a_file_gives_the_same_trajectory(tmp_path):
    t = produce(
        lennard_jones(), argon(), NPT(300, pressure_relaxation_fs=300), n_steps=80, timestep_fs=4.0, every=2,
        equilibration_fs=0,
    )  # fmt: skip
    frames = []
    for time, frame, velocities in zip(t.times, t.frames(), t.velocities, strict=True):
        frame.set_momenta(frame.get_masses()[:, None] * velocities / 0.09822694788464063)
        frame.wrap()
        frame.info["time_fs"] = time
        frames.append(frame)
    assert any(np.abs(f.positions - p).max() > 1 for f, p in zip(frames, t.positions, strict=True))
    write(tmp_path / "run.xyz", frames, format="extxyz")
    back = trajectory_of(read(tmp_path / "run.xyz", labelled=False))
    shift = back.positions[0] - t.positions[0]  # whole cell vectors, whose length follows the cell
    np.testing.assert_allclose(
        back.positions - np.einsum("as,tsx->tax", np.round(shift @ np.linalg.inv(t.cells[0])), t.cells),
        t.positions,
        atol=1e-5,
    )
    np.testing.assert_allclose(back.velocities, t.velocities, atol=1e-7)
    np.testing.assert_allclose(back.times, t.times)


def test_a_slab_is_unwrapped_along_its_periodic_vectors_only():
    cell = np.diag([4.0, 4.0, 0.0])
    path = np.array([[[3.9, 0.1, 1.0]], [[0.1, 3.9, 90.0]]])
    found = unwrapped(path, np.array([cell, cell]), np.array([True, True, False]))
    np.testing.assert_allclose(found[1, 0], [4.1, -0.1, 90.0])


def test_refusals():
    one = Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 4]]))
    other = Structure(Atoms("ArKr", [[0, 0, 0], [0, 0, 4]]), source="run.xyz", frame=1)
    with pytest.raises(UserError, match="at least two frames"):
        trajectory_of(Dataset([one]))
    with pytest.raises(UserError, match=r"run.xyz, frame 1.*no trajectory"):
        trajectory_of(Dataset([one, other]))
    with pytest.raises(UserError, match="interval_fs"):
        trajectory_of(Dataset([one, one]))
    assert trajectory_of(Dataset([one, one]), interval_fs=2.0).times.tolist() == [0.0, 2.0]
    late = [Structure(Atoms("Ar", info={"time_fs": t})) for t in (0.0, 1.0, 3.0)]
    with pytest.raises(UserError, match="evenly"):
        trajectory_of(Dataset(late))
