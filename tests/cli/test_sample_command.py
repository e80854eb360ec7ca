"""cambrian sample: samplers by name, driven by a potential, a committee or a reference method; what it refuses."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read, write
from small_recipe import CLASS, RECIPE

OWN = ("--own", CLASS)


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("molecules")
    write(folder / "ethanol.xyz", molecule("CH3CH2OH"), format="extxyz")
    write(folder / "atom.xyz", Atoms("He"), format="extxyz")
    return folder


def test_rattled_structures_keep_charge_and_get_a_group(run, tmp_path):
    ion = molecule("OH")
    ion.info |= {"total_charge": -1, "config_type": "ion", "note": "kept"}
    write(tmp_path / "ion.xyz", ion, format="extxyz")
    said = run("sample", "rattle", tmp_path / "ion.xyz", "-o", tmp_path / "out.xyz", "--set", "n=3", "--seed", 5).stdout
    assert "structures" in said
    assert "shortest distance, Å" in said
    drawn = read(tmp_path / "out.xyz", index=":")
    assert [a.info["config_type"] for a in drawn] == ["rattle"] * 3
    assert all(float(a.info["total_charge"]) == -1 and a.info["note"] == "kept" for a in drawn)
    run("sample", "rattle", tmp_path / "ion.xyz", "-o", tmp_path / "again.xyz", "--set", "n=3", "--seed", 5)
    assert (tmp_path / "out.xyz").read_bytes() == (tmp_path / "again.xyz").read_bytes()
    run("sample", "rattle", tmp_path / "ion.xyz", "-o", tmp_path / "other.xyz", "--set", "n=3", "--seed", 6)
    assert (tmp_path / "out.xyz").read_bytes() != (tmp_path / "other.xyz").read_bytes()


def test_interrupted_dynamics_goes_on(run, interrupt, fitted, argon, tmp_path):
    write(tmp_path / "start.xyz", read(argon), format="extxyz")
    sets = [f"--set={s}" for s in ("n=10", "interval_fs=5", "timestep_fs=1", "equilibration_fs=10")]
    command = ["sample", "dynamics", tmp_path / "start.xyz", "--potential", fitted, *OWN, *sets, "-o"]
    assert "goes on where it stood" in interrupt("dynamics", 0.5, *command, tmp_path / "stopped.xyz")
    assert not (tmp_path / "stopped.xyz").exists()
    run(*command, tmp_path / "stopped.xyz")
    run(*command, tmp_path / "whole.xyz")
    assert (tmp_path / "stopped.xyz").read_bytes() == (tmp_path / "whole.xyz").read_bytes()
    assert len(read(tmp_path / "whole.xyz", index=":")) == 10


def test_a_reference_method_drives_normal_modes(run, molecules, tmp_path):
    pytest.importorskip("tblite")
    command = ["sample", "normal_modes", molecules / "ethanol.xyz", "--method", "tblite", "--set", "n=2"]
    run(*command, "--set", "temperatures_K=[300, 600]", "--set", "method.method=GFN1-xTB", "-o", tmp_path / "out.xyz")
    groups = [a.info["config_type"] for a in read(tmp_path / "out.xyz", index=":")]
    assert groups == ["normal modes 300 K"] * 2 + ["normal modes 600 K"] * 2
    assert len(list((tmp_path / "out.sampling" / "forces").iterdir())) >= 55


def test_several_potentials_are_a_committee(run, fitted, argon, tmp_path):
    other = tmp_path / "other"
    run("fit", RECIPE, argon, "--test-fraction", "0.5", "--seed", 3, "-o", other)
    attack = [
        "sample",
        "adversarial_attack",
        argon,
        "-o",
        tmp_path / "out.xyz",
        "--set",
        "n=2",
        "--set",
        "n_steps=3",
        *OWN,
    ]
    said = run(*attack, "--potential", fitted, "--potential", other).stdout
    assert "spread of forces, meV/Å, RMS" in said
    drawn = read(tmp_path / "out.xyz", index=":")
    assert all(a.info["force_spread"] > 0 and np.isfinite(a.info["energy_above"]) for a in drawn)
    assert "agree everywhere" in run.refuses(*attack, "--potential", fitted, "--potential", fitted)
    assert "at least two members" in run.refuses(*attack, "--potential", fitted)


def test_a_run_that_breaks_says_so(run, fitted, argon, tmp_path):
    write(tmp_path / "start.xyz", read(argon), format="extxyz")
    sets = [f"--set={s}" for s in ("n=30", "interval_fs=100", "timestep_fs=100", "equilibration_fs=0")]
    hot = ["--set", "ensemble.temperature_K=30000"]
    result = run(
        *("sample", "dynamics", tmp_path / "start.xyz", "--potential", fitted, *OWN, *sets, *hot),
        *("-o", tmp_path / "out.xyz"),
    )
    assert "warning: dynamics from structure 0 at NVT 30000 K gave" in " ".join(result.stderr.split())


def test_bad_samples(run, fitted, argon, molecules, tmp_path):
    out, ethanol = ["-o", tmp_path / "out.xyz"], molecules / "ethanol.xyz"
    assert "did you mean 'rattle'?" in run.refuses("sample", "ratle", ethanol, *out)
    assert "did you mean 'sigma'?" in run.refuses("sample", "rattle", ethanol, *out, "--set", "sigm=1")
    assert "give --potential POTENTIAL or --method METHOD" in run.refuses("sample", "dynamics", ethanol, *out)
    both = run.refuses("sample", "dynamics", argon, *out, "--potential", fitted, "--method", "tblite", *OWN)
    assert "not both" in both
    assert "name it with --method" in run.refuses("sample", "rattle", ethanol, *out, "--set", "method.accuracy=1")
    needs = run.refuses("sample", "metadynamics", ethanol, *out, "--method", "tblite")
    assert "metadynamics needs variables, widths" in needs
    assert "no file is there" in run.refuses("sample", "rattle", tmp_path / "none.xyz", *out)
    assert "is what the structures start from" in run.refuses("sample", "rattle", ethanol, "-o", ethanol)
    assert "no cell to strain" in run.refuses("sample", "rattle", ethanol, *out, "--set", "strain=0.1")
    assert "periodic in three directions" in run.refuses("sample", "volume_scan", ethanol, *out)
    assert "too few to take 1" in run.refuses("sample", "vacancies", molecules / "atom.xyz", *out)
    assert "is no chemical element" in run.refuses("sample", "interstitials", argon, *out, "--set", "element=Xx")
    assert not (tmp_path / "out.xyz").exists()


def test_one_atom_has_no_modes(run, molecules, tmp_path):
    pytest.importorskip("tblite")
    command = ["sample", "normal_modes", molecules / "atom.xyz", "-o", tmp_path / "out.xyz", "--method", "tblite"]
    assert "has no vibration to draw from" in run.refuses(*command)
