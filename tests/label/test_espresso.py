"""Quantum ESPRESSO: its input, real runs against an input written by hand, and everything that may be missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from cambrian.errors import UserError
from cambrian.label.by_files import collect_folders, write_folders
from cambrian.label.espresso import Espresso
from cambrian.units import BOHR, RYDBERG

HOME = Path(os.environ.get("CAMBRIAN_PSEUDOPOTENTIALS", "/usr/share/espresso/pseudo"))
SILICON = "Si.pz-vbc.UPF"
real = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pw.x") is None, reason="needs pw.x"),
    pytest.mark.skipif(not (HOME / SILICON).is_file(), reason=f"needs {SILICON} in CAMBRIAN_PSEUDOPOTENTIALS"),
]


def silicon():
    atoms = bulk("Si", a=5.4)
    atoms.positions[1] += [0.1, 0.05, -0.02]
    return atoms


@pytest.fixture
def pseudo(tmp_path):
    """A folder with empty files under the usual names."""
    folder = tmp_path / "pseudo"
    folder.mkdir()
    for name in ("Si.pbe.UPF", "O_ONCV.upf", "h.pbe-rrkj.UPF", "H_other.UPF"):
        (folder / name).touch()
    return folder


@pytest.fixture
def program(tmp_path):
    """A stand-in for pw.x that prints what it is told."""

    def made(words):
        script = tmp_path / "pw.x"
        script.write_text(f"#!/bin/sh\necho '{words}'\n")
        script.chmod(0o755)
        return str(script)

    return made


def written(labeller, atoms, folder, **charge_and_spin):
    labeller.prepare(atoms, folder, **charge_and_spin)
    return " ".join((folder / "espresso.pwi").read_text().split())


def test_input_says_what_was_asked_for(pseudo, tmp_path):
    labeller = Espresso(
        pseudo_dir=str(pseudo), cutoff=400.0, density_cutoff=3200.0, xc="pbe", settings={"system": {"vdw_corr": "d3"}}
    )
    text = written(labeller, silicon(), tmp_path, total_charge=1.0, spin=1.0)
    for name, value in {"ecutwfc": 400 / RYDBERG, "ecutrho": 3200 / RYDBERG, "degauss": 0.1 / RYDBERG}.items():
        assert float(re.search(rf"{name} = (\S+)", text)[1]) == pytest.approx(value)
    for words in ("tprnfor = .true.", "tstress = .true.", "tot_charge = 1.0", "tot_magnetization = 1.0", "nspin = 2"):
        assert words in text
    assert "input_dft = 'pbe'" in text
    assert "vdw_corr = 'd3'" in text
    assert "Si.pbe.UPF" in text
    assert "K_POINTS automatic 9 9 9" in text  # ceil(2π / 3.118 Å / 0.25 per Å) = ceil(8.06)
    assert "K_POINTS gamma" in written(Espresso(pseudo_dir=str(pseudo), k_points=[1, 1, 1]), silicon(), tmp_path)
    assert "smearing" not in written(Espresso(pseudo_dir=str(pseudo), smearing="none"), silicon(), tmp_path)
    magnetic = silicon()
    magnetic.set_initial_magnetic_moments([2.0, -1.0])
    text = written(Espresso(pseudo_dir=str(pseudo)), magnetic, tmp_path)
    assert "starting_magnetization(1) = 1.0" in text
    assert "starting_magnetization(2) = -0.5" in text


def test_pseudopotentials_are_found_by_element(pseudo, tmp_path, monkeypatch):
    oxide = Atoms("SiO", [[0, 0, 0], [0, 0, 1.6]], cell=[6, 6, 6], pbc=True)
    text = written(Espresso(pseudo_dir=str(pseudo)), oxide, tmp_path)
    assert "Si.pbe.UPF" in text
    assert "O_ONCV.upf" in text
    water = molecule("H2O", vacuum=4.0)
    with pytest.raises(UserError, match="several pseudopotentials of H.*pseudopotentials.H="):
        written(Espresso(pseudo_dir=str(pseudo)), water, tmp_path)
    chosen = Espresso(pseudo_dir=str(pseudo), pseudopotentials={"H": "H_other.UPF"})
    assert "H_other.UPF" in written(chosen, water, tmp_path)
    with pytest.raises(UserError, match="no pseudopotential of Fe"):
        written(Espresso(pseudo_dir=str(pseudo)), bulk("Fe"), tmp_path)
    with pytest.raises(UserError, match="needs a cell"):
        written(chosen, molecule("H2O"), tmp_path)
    monkeypatch.delenv("ESPRESSO_PSEUDO", raising=False)
    with pytest.raises(UserError, match="ESPRESSO_PSEUDO"):
        written(Espresso(), silicon(), tmp_path)


def test_what_is_missing_is_said_before_the_work(pseudo, program):
    with pytest.raises(UserError, match="no program 'pw-nowhere.x'"):
        Espresso(pseudo_dir=str(pseudo), command="pw-nowhere.x").ready()
    with pytest.raises(UserError, match="no folder of pseudopotentials"):
        Espresso(pseudo_dir=str(pseudo / "none"), command=program("")).ready()
    with pytest.raises(UserError, match="no pseudopotential .*Si.none.UPF for Si"):
        Espresso(pseudo_dir=str(pseudo), pseudopotentials={"Si": "Si.none.UPF"}, command=program("")).ready()


def test_a_run_that_fails_is_told_with_the_last_words(pseudo, program):
    with pytest.raises(UserError, match="did not finish.*out of memory"):
        Espresso(pseudo_dir=str(pseudo), command=program("out of memory")).label(silicon())
    with pytest.raises(UserError, match="did not converge in 7 cycles"):
        Espresso(pseudo_dir=str(pseudo), max_cycles=7, command=program("convergence NOT achieved")).label(silicon())


def by_hand(folder):
    """Energy (Ry), forces (Ry/Bohr) and stress (Ry/Bohr³) of pw.x for an input written here."""
    atoms = silicon()
    rows = "\n".join(f"Si {x:.12f} {y:.12f} {z:.12f}" for x, y, z in atoms.positions)
    cell = "\n".join(f"{x:.12f} {y:.12f} {z:.12f}" for x, y, z in atoms.cell.array)
    (folder / "in").write_text(f"""&control
 calculation='scf', pseudo_dir='{HOME}', outdir='{folder}', tprnfor=.true., tstress=.true. /
&system ibrav=0, nat=2, ntyp=1, ecutwfc=12.0 /
&electrons conv_thr=1d-10 /
ATOMIC_SPECIES
Si 28.0855 {SILICON}
ATOMIC_POSITIONS angstrom
{rows}
CELL_PARAMETERS angstrom
{cell}
K_POINTS automatic
2 2 2 0 0 0
""")
    text = subprocess.run(["pw.x", "-in", "in"], cwd=folder, capture_output=True, text=True, check=True).stdout
    energy = float(re.search(r"!\s+total energy\s+=\s+(\S+) Ry", text)[1])
    forces = re.findall(r"atom\s+\d+ type\s+\d+\s+force =\s+(\S+)\s+(\S+)\s+(\S+)", text)[:2]
    stress = re.search(r"total\s+stress.*\n((?:.*\n){3})", text)[1]
    stress = np.array([line.split()[:3] for line in stress.splitlines()], dtype=float)
    return energy, np.array(forces, dtype=float), stress


class TestReal:
    pytestmark = real

    def labeller(self, **settings):
        settings = {"cutoff": 12 * RYDBERG, "k_points": [2, 2, 2], "smearing": "none"} | settings
        return Espresso(pseudo_dir=str(HOME), pseudopotentials={"Si": SILICON}, **settings)

    def test_labels_equal_those_of_an_input_written_by_hand(self, tmp_path):
        energy, forces, stress = by_hand(tmp_path)
        labeller = self.labeller(convergence=1e-9)
        labeller.ready()
        s = labeller.label(silicon())
        assert s.energy == pytest.approx(energy * RYDBERG, abs=1e-5)
        np.testing.assert_allclose(s.forces, forces * RYDBERG / BOHR, atol=1e-4)
        np.testing.assert_allclose(s.stress, -stress * RYDBERG / BOHR**3, atol=1e-5)  # pw.x prints the pressure's sign
        atoms = silicon()
        atoms.calc = labeller.calculator()
        assert atoms.get_potential_energy() == pytest.approx(s.energy, abs=1e-7)

    def test_folders_are_collected_after_a_run_elsewhere(self, tmp_path):
        atoms, labeller = silicon(), self.labeller()
        assert write_folders([atoms], labeller, tmp_path / "home").n_new == 1
        assert (
            collect_folders([atoms], labeller, tmp_path / "home").failures[0].reason.startswith("pw.x did not finish")
        )
        labeller.execute(tmp_path / "home" / "00000")
        (s,) = collect_folders([atoms], self.labeller(command="elsewhere"), tmp_path / "home").data
        assert s.energy == pytest.approx(labeller.label(atoms).energy, abs=1e-6)

    def test_self_consistency_that_cannot_converge(self):
        with pytest.raises(UserError, match="did not converge in 2 cycles"):
            self.labeller(max_cycles=2).label(silicon())
