"""LAMMPS's heat flux from our per-atom virials, against what it means.

In a cluster J = d/dt Σ_i r_i e_i with e_i kinetic and potential energy of an atom
(R. Kubo, J. Phys. Soc. Jpn. 12, 570, 1957).
"""

import numpy as np
import pytest
from lammps_plugin.structures import write_model
from lammps_plugin.test_commands import OURS, rows

STEP = 1e-4  # ps
CLUSTER = [
    "units metal",
    "atom_style atomic",
    "boundary f f f",
    "lattice diamond 5.2",
    "region box block -2 6 -2 6 -2 6",
    "create_box 2 box",
    "region inside block 0 1.9 0 1.9 0 1.9",
    "create_atoms 1 region inside basis 5 2 basis 6 2 basis 7 2 basis 8 2",
    "mass 1 22.99",
    "mass 2 35.45",
    "displace_atoms all random 0.2 0.2 0.2 7",
    "velocity all create 2000 5",
]


@pytest.mark.parametrize("newton", ["on", "off"])
def test_the_heat_flux_moves_the_energy(tmp_path, monkeypatch, lmp, newton):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    commands = [
        "compute ke all ke/atom",
        "compute pe all pe/atom",
        "compute virial all centroid/stress/atom NULL virial",
        "compute flux all heat/flux ke pe virial",
        *(f'variable e{a} atom "(c_ke+c_pe)*{a}"' for a in "xyz"),
        "compute sum all reduce sum v_ex v_ey v_ez",
        "fix move all nve",
        f"timestep {STEP}",
        "thermo 1",
        "thermo_style custom step c_sum[1] c_sum[2] c_sum[3] c_flux[1] c_flux[2] c_flux[3]",
        'thermo_modify format float "%22.16g"',
        "run 2",
    ]
    thermo = rows(lmp(tmp_path, [f"newton {newton}", *CLUSTER, *OURS, *commands], ranks=2))
    moved = (thermo[2, 1:4] - thermo[0, 1:4]) / (2 * STEP)
    assert np.abs(moved).max() > 10
    np.testing.assert_allclose(thermo[1, 4:7], moved, rtol=0, atol=1e-4 * np.abs(moved).max())
