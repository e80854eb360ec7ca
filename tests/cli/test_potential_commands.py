"""inspect, init, predict, md, deploy, import: from data to a potential that runs elsewhere."""

import json

import numpy as np
import pytest
import torch
import yaml
from ase.io import read
from lammps_runs import lammps_module
from small_recipe import CLASS

import cambrian
from cambrian.cli.console import as_options
from cambrian.contracts import Result
from cambrian.report.validation import recalled, remember
from cambrian.validate.errors import LabelErrors

OWN = ("--own", CLASS)


def test_inspect_counts(run, argon, tmp_path):
    said = run("inspect", argon, "--json", tmp_path / "census.json").stdout
    assert "Ar 192" in said
    assert "energy (eV/atom)" in said
    census = json.loads((tmp_path / "census.json").read_text())
    assert census["n_structures"] == 24
    assert census["labels"] == {"energy": 24, "forces": 24, "stress": 24}
    assert isinstance(census["findings"], list)


def test_init_writes_a_recipe_that_runs(run, argon, tmp_path):
    path = tmp_path / "recipe.yaml"
    run("init", argon, "-o", path)
    content = yaml.safe_load(path.read_text())
    assert content["recipe"] == "snap"
    assert path.read_text().startswith("# A starting point for")
    assert "# Å; how far each atom sees" in path.read_text()
    run("fit", path, argon, "-o", tmp_path / "fit", "--set", "two_j_max=2")
    assert "is there already" in run.refuses("init", argon, "-o", path)
    assert yaml.safe_load(run("init", argon).stdout) == content


def test_predictions_stand_beside_the_labels(run, fitted, argon, tmp_path):
    run("predict", fitted / "potential.safetensors", argon, "-o", tmp_path / "out.xyz", *OWN)
    before, after = read(argon, index=":"), read(tmp_path / "out.xyz", index=":")
    potential = cambrian.load(fitted / "potential.safetensors")
    for a, b in zip(before, after, strict=True):
        assert b.info["REF_energy"] == a.get_potential_energy()
        assert np.array_equal(b.arrays["REF_forces"], a.get_forces())
        truth = cambrian.evaluate(potential, cambrian.graph_of(a, potential.cutoff))
        assert b.get_potential_energy() == pytest.approx(float(truth.energy[0]), abs=1e-10)
        assert np.allclose(b.get_forces(), truth.forces.numpy(), atol=1e-10)


def test_dynamics(run, fitted, argon, tmp_path):
    command = ["md", fitted / "potential.safetensors", argon, "--temperature", 20, *OWN]
    said = run(*command, "--steps", 40, "-o", tmp_path / "run.xyz").stdout
    assert "slope of the total energy, meV/atom/ps" in said
    frames = read(tmp_path / "run.xyz", index=":")
    assert [a.info["step"] for a in frames] == [0, 10, 20, 30, 40]
    assert "mean temperature, K" in run(*command, "--steps", 5, "--ensemble", "nvt", "--set", "relaxation_fs=50").stdout


def test_dynamics_in_lammps(run, fitted, argon, tmp_path):
    lammps_module()
    command = ["md", fitted / "potential.safetensors", argon, "--steps", 20, "--temperature", 30, *OWN]
    said = run(*command, "--engine", "lammps", "-o", tmp_path / "run.extxyz").stdout
    assert "slope of the total energy" in said
    assert len(read(tmp_path / "run.extxyz", index=":")) == 3
    assert "did you mean 'lammps'?" in run.refuses(*command, "--engine", "lamps")


def test_interrupted_dynamics_goes_on(run, interrupt, fitted, argon, tmp_path):
    command = ["md", fitted / "potential.safetensors", argon, "--steps", 60, "--ensemble", "nvt", *OWN, "-o"]
    assert "goes on where it stood" in interrupt("dynamics", 0.5, *command, tmp_path / "stopped.xyz")
    run(*command, tmp_path / "stopped.xyz")
    run(*command, tmp_path / "whole.xyz")
    assert (tmp_path / "stopped.xyz").read_bytes() == (tmp_path / "whole.xyz").read_bytes()


def test_bad_dynamics(run, fitted, argon, tmp_path):
    command = ["md", fitted / "potential.safetensors", argon, "--steps", 1, *OWN]
    assert "did you mean 'nvt'?" in run.refuses(*command, "--ensemble", "nvtt")
    assert "there is no frame 99" in run.refuses(*command, "--frame", 99)
    said = run.refuses(*command, "--ensemble", "npt", "--set", "presure_GPa=1")
    assert "did you mean 'pressure_GPa'?" in said
    (tmp_path / "file").touch()
    assert "cannot write" in run.refuses(*command, "-o", tmp_path / "file" / "run.xyz")


def test_deploy_and_import_give_the_same_potential(run, argon, tmp_path):
    run("fit", "snap", argon, "-o", tmp_path / "fit", "--set", "two_j_max=2")
    run("deploy", tmp_path / "fit" / "potential.safetensors", "--to", "lammps-stock", "-o", tmp_path / "lammps")
    assert {".snapcoeff", ".snapparam"} <= {path.suffix for path in (tmp_path / "lammps").iterdir()}
    run("import", "lammps", tmp_path / "lammps", "-o", tmp_path / "back.safetensors")
    first = cambrian.load(tmp_path / "fit" / "potential.safetensors")
    second = cambrian.load(tmp_path / "back.safetensors")
    graph = cambrian.graph_of(read(argon, index=0), first.cutoff)
    a, b = cambrian.evaluate(first, graph), cambrian.evaluate(second, graph)
    assert torch.allclose(a.energy, b.energy, atol=1e-9)
    assert torch.allclose(a.forces, b.forces, atol=1e-9)


def test_deploy_refuses(run, fitted, tmp_path):
    command = ["deploy", fitted / "potential.safetensors", "-o", tmp_path / "out", *OWN]
    assert "did you mean 'lammps'?" in run.refuses(*command, "--to", "lamps")
    assert "InversePowers" in run.refuses(*command, "--to", "lammps-stock")
    assert not (tmp_path / "out").exists()


def test_validate_with_tolerance_and_page(run, fitted, argon, tmp_path):
    command = ["validate", "errors", fitted / "potential.safetensors", argon, *OWN]
    assert "passed" in run(*command, "--set", "errors.force_mae=10").stderr
    failed = run(*command, "--set", "errors.force_mae=1e-9", "--report", tmp_path / "page.html", code=1)
    assert "above what is tolerated: force_mae" in " ".join(failed.stderr.split())
    assert "<svg role=" in (tmp_path / "page.html").read_text()
    assert "begin with one of errors" in run.refuses(*command, "--set", "force_mae=1")


def test_what_checks_found_is_kept_beside_the_potential(run, argon, tmp_path):
    run("fit", "snap", argon, "-o", tmp_path / "fit", "--set", "two_j_max=2")
    run("validate", "errors", tmp_path / "fit", argon, "--set", "errors.force_mae=10")
    run("validate", "errors", tmp_path / "fit", argon, "--set", "errors.force_mae=1e-9", code=1)
    kept = json.loads((tmp_path / "fit" / "potential.validation.json").read_text())["checks"]
    assert kept["errors"]["verdict"] == "failed", "the last result counts"
    assert kept["errors"]["settings"]["force_mae"] == 1e-9
    assert kept["errors"]["drawings"]["parity_forces"].startswith("<svg")


def test_results_of_another_fit_do_not_count(run, argon, tmp_path):
    file = tmp_path / "fit" / "potential.safetensors"
    run("fit", "snap", argon, "-o", tmp_path / "fit", "--set", "two_j_max=2")
    run("validate", "errors", file, argon)
    assert "errors" in recalled(file, cambrian.load(file))
    run("fit", "snap", argon, "-o", tmp_path / "fit", "--set", "two_j_max=4")
    assert recalled(file, cambrian.load(file)) == {}


def test_deploy_warns_until_dynamics_is_known_to_survive(run, argon, tmp_path):
    file = tmp_path / "fit" / "potential.safetensors"
    run("fit", "snap", argon, "-o", tmp_path / "fit", "--set", "two_j_max=2")
    deploy = ["deploy", file, "--to", "lammps", "-o", tmp_path / "lammps"]
    assert "nobody has checked" in run(*deploy).stderr
    potential, check = cambrian.load(file), LabelErrors()
    remember(file, potential, check, "survival", Result("survival", {}, "failed", "the atoms flew apart"))
    assert "FAILED the survival check: the atoms flew apart" in " ".join(run(*deploy).stderr.split())
    remember(file, potential, check, "survival", Result("survival", {}, "passed", "it survived"))
    assert "WARNING" not in run(*deploy).stderr


def test_messages_name_options():
    assert as_options("read it with units='kcal/mol, Å'") == "read it with --units 'kcal/mol, Å'"
    assert as_options("choose with energy_key, or skip_bad") == "choose with --energy-key, or --skip-bad"
    assert as_options("use --energy-key") == "use --energy-key"
