"""VASP by its files: what is written, what is collected from a stand-in that computes with EMT, what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read

from cambrian.errors import UserError
from cambrian.label import label
from cambrian.label.by_files import collect_folders, write_folders
from cambrian.label.vasp import VASP, by_element

STAND_IN = Path(__file__).with_name("stand_in_for_vasp.py")


def command(n_steps=7):
    return f"{sys.executable} {STAND_IN} {n_steps}"


def alloy(seed=0):
    """Elements not together, atoms held: both are traps of POSCAR."""
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[:] = ["Cu", "Au", "Cu", "Ag"]
    atoms.rattle(0.1, seed=seed)
    atoms.set_constraint(FixAtoms([0]))
    return atoms


@pytest.fixture
def potentials(tmp_path):
    """Files in the place of the user's POTCARs."""
    for name, valence in {"Cu": 11, "Au": 11, "Ag": 11, "Cu_pv": 17}.items():
        folder = tmp_path / "potpaw" / name
        folder.mkdir(parents=True)
        (folder / "POTCAR").write_text(f"PAW_PBE {name}\n POMASS = 1.0; ZVAL   = {valence}.000    mass and valenz\n")
    return str(tmp_path / "potpaw")


@pytest.fixture(autouse=True)
def no_vasp_of_the_machine(monkeypatch):
    for name in ("ASE_VASP_COMMAND", "VASP_COMMAND", "VASP_PP_PATH"):
        monkeypatch.delenv(name, raising=False)


def tags(folder):
    return dict(line.split(" = ") for line in (folder / "INCAR").read_text().splitlines())


def test_input_says_what_was_asked_for(tmp_path, potentials):
    atoms = alloy()
    VASP(xc="r2SCAN", cutoff=450.0, incar={"algo": "Normal"}, k_spacing=0.5).prepare(atoms, tmp_path)
    given = tags(tmp_path)
    assert given["METAGGA"] == "R2SCAN"
    assert (given["ENCUT"], given["ALGO"], given["LWAVE"], given["NSW"]) == ("450.0", "Normal", ".FALSE.", "0")
    assert "ISPIN" not in given
    assert (tmp_path / "POTCAR.spec").read_text().split() == ["Cu", "Au", "Ag"]
    assert (tmp_path / "KPOINTS").read_text().splitlines()[2:4] == ["Gamma", "4 4 4"]  # 2π / 3.61 Å / 0.5 = 3.48
    poscar = read(tmp_path / "POSCAR", format="vasp")
    assert poscar.get_chemical_symbols() == ["Cu", "Cu", "Au", "Ag"]
    np.testing.assert_allclose(poscar.positions, atoms.positions[[0, 2, 1, 3]], atol=1e-10)
    assert not poscar.constraints
    atoms.set_initial_magnetic_moments([1, 0, 2, -1])
    VASP(potentials=potentials, setups={"Cu": "Cu_pv"}).prepare(atoms, tmp_path, total_charge=1.0, spin=2.0)
    given = tags(tmp_path)
    assert (given["ISPIN"], given["NUPDOWN"], given["MAGMOM"]) == ("2", "2.0", "1.0 2.0 0.0 -1.0")
    assert float(given["NELECT"]) == 2 * 17 + 11 + 11 - 1
    assert (tmp_path / "POTCAR").read_text().count("PAW_PBE") == 3


def test_a_run_gives_energy_forces_and_stress_in_the_given_order(potentials):
    atoms = alloy()
    done = label([atoms], VASP(command=command(), potentials=potentials), workers=0)
    (s,) = done.data
    free = atoms.copy()
    free.set_constraint()
    free.calc = EMT()
    assert s.energy == pytest.approx(free.get_potential_energy(force_consistent=True), abs=1e-8)
    np.testing.assert_allclose(s.forces, free.get_forces(), atol=1e-8)
    np.testing.assert_allclose(s.stress, free.get_stress(voigt=False), atol=1e-8)
    assert s.level == "PBE, 520 eV (VASP)"
    assert by_element(atoms).tolist() == [0, 2, 1, 3]


def test_folders_are_written_run_elsewhere_and_collected(tmp_path):
    home, structures, labeller = tmp_path / "home", [alloy(k) for k in range(3)], VASP()
    assert write_folders(structures, labeller, home).n_new == 3
    VASP(command=command()).execute(home / "00000")
    VASP(command=command(100)).execute(home / "00001")  # stops at NELM
    again = write_folders(structures, labeller, home)
    assert (again.n_new, again.n_present) == (0, 3)
    done = collect_folders(structures, labeller, home)
    assert len(done.data) == 1
    assert [f.index for f in done.failures] == [1, 2]
    assert "without converging" in done.failures[0].reason
    assert "unfinished" in done.failures[1].reason
    with pytest.raises(UserError, match="00000 was written for structure, frame 0 at PBE, 520 eV"):
        collect_folders(structures, VASP(cutoff=400.0), home)
    with pytest.raises(UserError, match="was written for"):
        write_folders(structures[::-1], labeller, home)
    (more,) = collect_folders([*structures, alloy(9)], labeller, home).failures[2:]
    assert "was not written yet" in more.reason


def test_an_output_of_another_structure_or_cut_short_is_refused(tmp_path):
    home, structures, labeller = tmp_path / "home", [alloy(0), alloy(1)], VASP()
    write_folders(structures, labeller, home)
    VASP(command=command()).execute(home / "00000")
    text = (home / "00000" / "vasprun.xml").read_text()
    (home / "00001" / "vasprun.xml").write_text(text)
    (failure,) = collect_folders(structures, labeller, home).failures
    assert "another structure" in failure.reason
    for cut in (len(text) - 30, text.index("<calculation>")):
        (home / "00001" / "vasprun.xml").write_text(text[:cut])
        (failure,) = collect_folders(structures, labeller, home).failures
        assert "unfinished or damaged" in failure.reason


def test_what_is_missing_is_said_before_the_work(tmp_path, potentials, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no program 'vasp_std'.*--write DIR"):
        VASP(potentials=potentials).ready()
    with pytest.raises(UserError, match="VASP_PP_PATH"):
        VASP(command=command()).ready()
    with pytest.raises(UserError, match="no folder of VASP's potentials"):
        VASP(command=command(), potentials=str(tmp_path / "none")).ready()
    with pytest.raises(UserError, match=r"setups\.Ni"):
        VASP(command=command(), potentials=potentials).label(bulk("Ni"))
    with pytest.raises(UserError, match="charged cell"):
        VASP().prepare(alloy(), tmp_path, total_charge=1.0)
    with pytest.raises(UserError, match="needs a cell"):
        VASP().prepare(Atoms("H"), tmp_path)
    with pytest.raises(UserError, match="unfinished.*boom"):
        VASP(command=f"{sys.executable} -c print('boom')", potentials=potentials).label(alloy())
