"""A model of forces alone on the command line: fit, predict, validate errors, and dynamics where told."""

import numpy as np
from ase.io import read
from small_data import write_argon


def test_fit_predict_check_and_dynamics_only_where_told(run, tmp_path):
    data, folder, out, path = (tmp_path / name for name in ("argon.xyz", "fit", "out.xyz", "run.xyz"))
    write_argon(data, 12)
    run("fit", "mlotf", data, "-o", folder, "--set", "n_points=40", "--test-fraction", "0.2")
    assert "not conserved" in (folder / "report.html").read_text(encoding="utf-8")
    assert "no energy" in run("predict", folder, data, "-o", out).stderr
    frames = read(out, ":")
    assert np.isfinite(frames[0].get_forces()).all()
    assert "energy" not in frames[0].calc.results
    assert "REF_energy" in frames[0].info
    run("validate", "errors", folder, data)
    assert "not conserved" in run.refuses("validate", "nve_drift", folder, data)
    assert "--forces-only" in run.refuses("md", folder, data, "--steps", 2)
    steps = ["--steps", 20, "--ensemble", "nvt", "--temperature", 40, "-o", path]
    result = run("md", folder, data, "--forces-only", *steps)
    assert "not conserved" in result.stderr
    assert "nan" not in result.stdout
    assert len(read(path, ":")) == 3


def test_a_potential_needs_no_permission(run, tmp_path):
    data, folder = tmp_path / "argon.xyz", tmp_path / "fit"
    write_argon(data, 6)
    run("fit", "lj", data, "-o", folder)
    assert "leave it out" in run.refuses("md", folder, data, "--forces-only", "--steps", 2)
