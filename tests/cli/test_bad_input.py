"""Every bad input is refused with code 2, saying what, where and the mend, and leaves nothing half-written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ase.io import read, write
from safetensors import safe_open
from safetensors.torch import save_file
from small_data import argon as argon_frames
from small_data import copper
from small_recipe import CLASS, RECIPE

KCAL = 23.060547830619  # kcal/mol in an eV


@pytest.fixture
def out(tmp_path):
    """A folder that must not come to be."""
    folder = tmp_path / "out"
    yield folder
    assert not folder.exists()


def saved(tmp_path, change) -> Path:
    """Argon frames with the sixth changed."""
    frames = argon_frames(8)
    frames[5] = change(frames[5]) or frames[5]
    path = tmp_path / "bad.xyz"
    write(path, frames, format="extxyz")
    return path


def test_empty_file(run, tmp_path, out):
    path = tmp_path / "empty.xyz"
    path.touch()
    said = run.refuses("fit", RECIPE, path, "-o", out)
    assert "empty.xyz" in said
    assert "empty" in said


def test_missing_file(run, out):
    assert "nowhere.xyz: no file is there" in run.refuses("fit", RECIPE, "nowhere.xyz", "-o", out)


def test_no_energies_at_all(run, tmp_path, out):
    frames = argon_frames(3)
    for atoms in frames:
        atoms.calc = None
    write(tmp_path / "bare.xyz", frames, format="extxyz")
    said = run.refuses("fit", RECIPE, tmp_path / "bare.xyz", "-o", out)
    assert "bare.xyz: no structure has an energy" in said
    assert "--energy-key" in said


def test_nan_label(run, tmp_path, out):
    def change(atoms):
        atoms.calc.results["forces"][2, 1] = float("nan")

    said = run.refuses("fit", RECIPE, saved(tmp_path, change), "-o", out)
    assert "bad.xyz: frame 5" in said
    assert "nan" in said.lower()


def test_two_atoms_at_one_place(run, tmp_path, out):
    def change(atoms):
        atoms.positions[3] = atoms.positions[1]

    said = run.refuses("fit", RECIPE, saved(tmp_path, change), "-o", out)
    assert "bad.xyz" in said
    assert "frame 5" in said
    assert "1" in said
    assert "3" in said


def test_flat_cell(run, tmp_path, out):
    def change(atoms):
        atoms.cell[2] = atoms.cell[1]

    said = run.refuses("fit", RECIPE, saved(tmp_path, change), "-o", out)
    assert "bad.xyz" in said
    assert "frame 5" in said
    assert "cell" in said


@pytest.mark.parametrize(
    ("factors", "strain", "words"),
    [
        ({"energy": KCAL, "forces": KCAL, "stress": KCAL}, 0.005, "energies and forces are too large to be in eV"),
        ({"forces": KCAL}, 0.0, "the forces are in kcal/mol/Å while the energies are in eV"),
        ({"stress": -1.0}, 0.005, "the stress has the wrong sign"),
        ({"forces": -1.0}, 0.0, "the forces have the wrong sign"),
    ],
)
def test_units_and_signs(run, tmp_path, out, factors, strain, words):
    path = tmp_path / "copper.xyz"
    write(path, copper(factors=factors, strain=strain), format="extxyz")
    said = run.refuses("fit", RECIPE, path, "-o", out)
    assert "copper.xyz: " in said
    assert words in said
    assert "--units '" in said or "turn the sign" in said
    assert "--trust-data" in said
    assert words in run("inspect", path).stdout


def test_the_mend_for_units_works(run, tmp_path):
    factors = {"energy": KCAL, "forces": KCAL, "stress": KCAL}
    write(tmp_path / "copper.xyz", copper(factors=factors), format="extxyz")
    run("fit", RECIPE, tmp_path / "copper.xyz", "-o", tmp_path / "fit", "--units", "kcal/mol, Å")
    write(tmp_path / "plain.xyz", copper(factors={}), format="extxyz")
    run("fit", RECIPE, tmp_path / "plain.xyz", "-o", tmp_path / "plain")
    converted, plain = (json.loads((tmp_path / f / "metrics.json").read_text())["train"] for f in ("fit", "plain"))
    for name in ("energy_mae", "force_mae", "stress_mae"):
        assert converted[name] == pytest.approx(plain[name], rel=1e-6)


def test_data_may_be_trusted(run, tmp_path):
    write(tmp_path / "copper.xyz", copper(factors={"stress": -1.0}), format="extxyz")
    result = run("fit", RECIPE, tmp_path / "copper.xyz", "-o", tmp_path / "fit", "--trust-data")
    assert "the stress has the wrong sign" in " ".join(result.stderr.split())
    assert "the stress has the wrong sign" in (tmp_path / "fit" / "report.html").read_text()


def test_unknown_element_in_prediction(run, tmp_path, fitted):
    def change(atoms):
        atoms.numbers[0] = 36

    path = saved(tmp_path, change)
    model = fitted / "potential.safetensors"
    for command in (["validate", "errors", model, path], ["predict", model, path, "-o", tmp_path / "out.xyz"]):
        said = run.refuses(*command, "--own", CLASS)
        assert "bad.xyz, frame 5" in said
        assert "Kr" in said
    assert not (tmp_path / "out.xyz").exists()


def test_test_set_with_an_element_of_its_own(run, tmp_path, argon, out):
    path = saved(tmp_path, lambda atoms: atoms.numbers.__setitem__(0, 36))
    said = run.refuses("fit", RECIPE, argon, "--test", path, "-o", out)
    assert "bad.xyz, frame 5: holds Kr" in said


def test_truncated_model_file(run, tmp_path, fitted, argon):
    path = tmp_path / "short.safetensors"
    path.write_bytes((fitted / "potential.safetensors").read_bytes()[:-40])
    said = run.refuses("validate", "errors", path, argon, "--own", CLASS)
    assert "short.safetensors is not a whole model file" in said
    assert "truncated" in said


def test_newer_format_version(run, tmp_path, fitted, argon):
    with safe_open(fitted / "potential.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["cambrian"]) | {"format_version": 99}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path = tmp_path / "newer.safetensors"
    save_file(tensors, path, metadata={"cambrian": json.dumps(header)})
    said = run.refuses("validate", "errors", path, argon, "--own", CLASS)
    assert "newer.safetensors has format 99" in said
    assert "update cambrian" in said


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("cutof=5", "did you mean 'cutoff'?"),
        ("solver.rigde=1", "did you mean 'ridge'?"),
        ("cutoff=wide", "it takes a number"),
        ("solver.ridge=true", "takes a number"),
        ("solver=LestSquares", "did you mean 'LeastSquares'?"),
        ("cutoff.inner=1", "there is no 'inner' inside 6.0"),
        ("cutoff", "write it as name=value"),
        ("cutoff=[1", "is not YAML"),
    ],
)
def test_unknown_key_and_wrong_value(run, argon, out, setting, words):
    assert words in run.refuses("fit", RECIPE, argon, "-o", out, "--set", setting)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recipe: snapp\n", "there is no recipe 'snapp'"),
        ("recipes: snap\n", "a recipe file holds"),
        (f"recipe: {RECIPE}\nparametres: {{}}\n", "did you mean 'parameters'?"),
        (f"recipe: {RECIPE}\nparameters: {{solver: {{rige: 1}}}}\n", "did you mean 'ridge'?"),
        (f"recipe: {RECIPE}\nseed: first\n", "'seed' cannot be 'first'"),
        ("recipe: [\n", "line 2, column 1: this is not YAML"),
        ("recipe: snap\nrecipe: qsnap\n", "'recipe' is written twice"),
        ("potential: {Sum: {parts: []}}\n", "needs 'solver'"),
        ("potential: Summ\nsolver: LeastSquares\n", "did you mean 'Sum'?"),
    ],
)
def test_bad_recipe_file(run, argon, tmp_path, out, text, words):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    said = run.refuses("fit", path, argon, "-o", out)
    assert words in said


def test_folder_that_cannot_be_written_is_refused_before_the_fit(run, argon, tmp_path):
    (tmp_path / "file").touch()
    said = run.refuses("fit", RECIPE, argon, "-o", tmp_path / "file" / "out")
    assert "cannot write into" in said
    assert "choose another -o" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_no_write_permission(run, argon, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    said = run.refuses("fit", RECIPE, argon, "-o", locked / "out")
    assert "Permission denied" in said


def test_two_kinds_of_test_set(run, argon, out):
    assert "exclude each other" in run.refuses("fit", RECIPE, argon, "-o", out, "--test", argon, "--test-fraction", 0.1)


def test_fraction_out_of_range(run, argon, out):
    assert "between 0 and 1" in run.refuses("fit", RECIPE, argon, "-o", out, "--test-fraction", 1.5)


def test_unknown_check_and_missing_potential(run):
    assert "checks are all, " in run.refuses("validate", "erors", "x.safetensors")
    assert "name the potential" in run.refuses("validate", "errors")
    assert "there is no model file x.safetensors" in run.refuses("validate", "errors", "x.safetensors")


def test_own_class_not_named(argon, fitted):
    command = [sys.executable, "-m", "cambrian.cli", "validate", "errors", fitted / "potential.safetensors", argon]
    done = subprocess.run([str(w) for w in command], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no 'InversePowers'" in done.stderr
    assert "--own" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(run):
    said = run("fit", "nosuch", "x.xyz", "-o", "y", "--debug", code=2).stderr
    assert "Traceback" in said
    assert "there is no recipe 'nosuch'" in said


def test_skip_bad_leaves_frames_out_and_says_so(run, tmp_path):
    def change(atoms):
        atoms.calc.results["forces"][2, 1] = float("nan")

    result = run("fit", RECIPE, saved(tmp_path, change), "-o", tmp_path / "fit", "--skip-bad")
    assert "left out 1 of 8 frames" in " ".join(result.stderr.split())
    assert read(saved(tmp_path, lambda a: None), index=":")  # the file itself is readable
