"""Structures drawn from dynamics."""

import numpy as np
import pytest
from ase import Atoms
from odd_calculators import Springs

from cambrian.data import read
from cambrian.errors import UserError
from cambrian.sample.ensembles import NVE, NVT
from cambrian.sample.thermal_motion import thermal_motion


def chain():
    return Atoms("Ne5", np.random.default_rng(0).normal(scale=0.2, size=(5, 3)), info={"total_charge": 1})


def test_structures_stand_an_interval_apart_after_equilibration(tmp_path):
    settings = {"ensemble": NVT(300), "interval_fs": 10, "timestep_fs": 2.0, "equilibration_fs": 35, "seed": 3}
    drawn = thermal_motion(chain(), Springs(), 6, group="warm", **settings)
    assert len(drawn) == 6
    assert all(a.info == {"total_charge": 1, "config_type": "warm"} for a in drawn)
    assert not any(a.has("momenta") or a.calc or "forces" in a.arrays for a in drawn)
    file = tmp_path / "run.extxyz"
    again = thermal_motion(chain(), Springs(), 6, group="warm", trajectory=file, **settings)
    times = [s.atoms.info["time_fs"] for s in read(file)]
    assert times[-6:] == [40, 50, 60, 70, 80, 90]
    for a, b in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
    other = thermal_motion(chain(), Springs(), 6, **(settings | {"seed": 4}))
    assert not np.array_equal(other[0].positions, drawn[0].positions)


def test_a_run_that_breaks_gives_what_is_sound():
    settings = {"ensemble": NVE(300), "interval_fs": 10, "timestep_fs": 1.0}
    drawn = thermal_motion(chain(), Springs(breaks_at=48), 10, equilibration_fs=20, **settings)
    assert len(drawn) == 3
    with pytest.raises(UserError, match="gave no structure: it stopped after 7 fs"):
        thermal_motion(chain(), Springs(breaks_at=8), 10, equilibration_fs=20, **settings)
