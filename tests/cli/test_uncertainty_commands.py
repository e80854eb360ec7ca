"""`predict` and `md` tell how sure a potential is, with the figures of `uncertainty`; others say that they cannot."""

import numpy as np
import pytest
from ase.io import read

from cambrian.contracts import load, uncertainty
from cambrian.graph import graph_of


@pytest.fixture(scope="module")
def linear(run, argon, tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear")
    run("fit", "snap", argon, "-o", folder, "--set", "two_j_max=2", "--set", "solver=BayesianRidge")
    return folder / "potential.safetensors"


def test_predictions_say_how_sure_they_are(run, argon, linear, tmp_path):
    said = run("predict", linear, argon, "-o", tmp_path / "out.xyz").stderr
    assert "uncertainty of the force on an atom" in said
    potential = load(linear)
    for atoms in read(tmp_path / "out.xyz", index=":2"):
        expected = uncertainty(potential, graph_of(atoms, potential.cutoff))
        assert atoms.info["energy_std"] == pytest.approx(float(expected.energy[0]), rel=1e-6)
        np.testing.assert_allclose(atoms.arrays["forces_std"], expected.forces.numpy(), rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(atoms.info["stress_std"], expected.stress[0].numpy().ravel(), rtol=1e-5, atol=1e-10)
    assert "uncertainty" not in run("predict", linear, argon, "-o", tmp_path / "plain.xyz", "--no-uncertainty").stderr
    assert "forces_std" not in read(tmp_path / "plain.xyz").arrays


def test_dynamics_says_it_at_each_frame(run, argon, linear, tmp_path):
    command = ["md", linear, argon, "--steps", 20, "--temperature", 30, "--uncertainty"]
    said = run(*command, "-o", tmp_path / "run.extxyz").stdout
    assert "Uncertainty of the force on an atom" in said
    frames = read(tmp_path / "run.extxyz", index=":")
    potential = load(linear)
    assert len(frames) == 3
    for atoms in frames:
        expected = uncertainty(potential, graph_of(atoms, potential.cutoff))
        assert atoms.info["energy_std"] == pytest.approx(float(expected.energy[0]), rel=1e-4)
        np.testing.assert_allclose(atoms.arrays["forces_std"], expected.forces.numpy(), rtol=1e-4, atol=1e-7)
    assert "--engine ase" in run.refuses(*command, "--engine", "lammps")


def test_who_cannot_tell_it_says_so(run, argon, tmp_path):
    run("fit", "lj", argon, "-o", tmp_path / "fit")
    assert "uncertainty" not in run("predict", tmp_path / "fit", argon, "-o", tmp_path / "out.xyz").stderr
    assert "--committee 4" in run.refuses("md", tmp_path / "fit", argon, "--steps", 2, "--uncertainty")
