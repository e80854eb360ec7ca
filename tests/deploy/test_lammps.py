"""`deploy --to lammps`: the compiled file where there is one, Python where there is none, and what it says of both."""

import subprocess
import sys
from pathlib import Path

import pytest
from ase import Atoms
from lammps_runs import lammps_module
from small_data import argon

from cambrian import Calculator, Committee, Dataset, DescriptorPotential, Structure, UserError
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.deploy.lammps import deploy
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor

DATA = Dataset([Structure(a) for a in argon(6)])
compiled = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def snap(two_j_max: int = 2):
    potential = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=two_j_max), LinearRegressor())
    potential.setup(DATA)
    return potential


def written(potential, folder, **options) -> tuple[list[str], str]:
    remarks: list[str] = []
    files = deploy(potential, folder, remark=remarks.append, **options)
    return [file.name for file in files], " ".join(remarks)


@compiled
def test_a_compiled_potential_becomes_two_files(tmp_path):
    potential = IsolatedAtoms({"Ar": -1.0}) + snap()
    potential.setup(DATA)
    files, said = written(potential, tmp_path, name="argon")
    assert files == ["argon.cambrian", "in.lammps"]
    lines = (tmp_path / "in.lammps").read_text().splitlines()
    assert lines[3:5] == ["pair_style cambrian", f"pair_coeff * * {tmp_path}/argon.cambrian Ar"]
    assert not any("fix" in line for line in lines), "it knows neither spread nor grade"
    assert "it runs compiled, by pair_style cambrian: about" in said
    assert "µs of one core for each atom and step" in said


@compiled
def test_a_committee_comes_with_the_lines_that_watch_it(tmp_path):
    written(Committee([snap(), snap(4)]), tmp_path)
    text = (tmp_path / "in.lammps").read_text()
    assert "# fix spread all pair 10 cambrian spread 1" in text
    assert "grade" not in text


@compiled
def test_with_a_structure_it_is_a_whole_run(tmp_path):
    lammps_module()
    start = argon(1)[0]
    files, _ = written(snap(), tmp_path, start=start)
    assert files == ["potential.cambrian", "start.data", "in.lammps"]
    ran = subprocess.run(
        [Path(sys.executable).parent / "lmp", "-in", "in.lammps", "-log", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Loop time" in ran.stdout, ran.stdout[-1000:]
    first = next(line.split() for line in ran.stdout.splitlines() if line.split()[:1] == ["0"])
    atoms = start.copy()
    atoms.calc = Calculator(snap())
    assert float(first[2]) == pytest.approx(atoms.get_potential_energy(), rel=1e-9)


@compiled
def test_a_molecule_gets_a_box_and_other_elements_are_refused(tmp_path):
    molecule = Atoms("Ar3", positions=[[0, 0, 0], [3.8, 0, 0], [0, 3.8, 0.5]])
    written(snap(), tmp_path, start=molecule)
    assert "boundary s s s" in (tmp_path / "in.lammps").read_text()
    assert "3 atoms" in (tmp_path / "start.data").read_text()
    with pytest.raises(UserError, match="the structure has Ne; the potential knows Ar"):
        written(snap(), tmp_path / "other", start=Atoms("Ne", cell=[9, 9, 9], pbc=True))
    assert not (tmp_path / "other").exists()


def two_layers():
    from contracts.subjects import OWN

    potential = OWN["TwoLayers"].example()
    potential.setup(DATA)
    return potential


def test_others_go_through_python(tmp_path):
    lammps_module()
    files, said = written(two_layers(), tmp_path)
    assert files == ["potential.safetensors", "run_lammps.py"]
    assert "there is no compiled form of TwoLayers, so LAMMPS calls Python for its forces" in said
    assert "--engine lammps" in said


def test_the_script_runs(tmp_path):
    lammps_module()
    from cambrian.deploy.lammps import _through_python

    potential = snap()
    _through_python(potential, tmp_path, "potential", ["Ar"], ["SNAP"], lambda words: None)
    system = ["units metal", "atom_style atomic", "lattice fcc 5.3", "region b block 0 3 0 3 0 3", "create_box 1 b"]
    system += ["create_atoms 1 box", "mass 1 39.9", "velocity all create 50 1", "fix 1 all nve"]
    (tmp_path / "in.system").write_text("\n".join(system) + "\n")
    script = tmp_path / "run_lammps.py"
    script.write_text(script.read_text().replace("run 1000", "run 2"))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    assert "Loop time" in done.stdout


def test_what_cannot_be_cut_into_domains_is_refused(tmp_path):
    potential = two_layers()
    potential.scope = "global"
    with pytest.raises(UserError, match="TwoLayers reads the whole structure"):
        deploy(potential, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unfitted_potential_is_refused(tmp_path):
    fresh = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=2), LinearRegressor())
    with pytest.raises(UserError, match="not fitted yet"):
        deploy(fresh, tmp_path)
