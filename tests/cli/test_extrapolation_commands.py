"""`md` tells extrapolation, keeps its frames and stops; who cannot tell says so."""

from ase.io import read, write

from cambrian.cli.md import STOPPED

OWN_FITS = ("--set", "two_j_max=2")


def test_dynamics_tells_where_it_leaves_the_data(run, argon, tmp_path):
    run("fit", "snap", argon, "-o", tmp_path / "fit", *OWN_FITS)
    command = ["md", tmp_path / "fit", argon, "--steps", 40, "--timestep", 5, "-o", tmp_path / "run.extxyz"]
    hot = run(*command, "--temperature", 600)
    assert "extrapolation at " in hot.stderr
    assert "widths" in hot.stderr
    assert "furthest outside the training range" in hot.stdout
    frames = read(tmp_path / "run.extrapolating.extxyz", index=":")
    assert len(frames) == hot.stderr.count("extrapolation at ")
    assert all((a.arrays["extrapolation"] > 0).any() for a in frames)
    worst = max(a.arrays["extrapolation"].max() for a in frames)

    command[-1] = tmp_path / "stopped.extxyz"
    said = run(*command, "--temperature", 600, "--stop-when-extrapolating", f"{0.5 * worst:.4f}", code=STOPPED).stderr
    assert "it extrapolates, Ar " in " ".join(said.split())


def test_who_cannot_tell_extrapolation_says_so(run, argon, tmp_path):
    run("fit", "lj", argon, "-o", tmp_path / "fit")
    command = ["md", tmp_path / "fit", argon, "--steps", 2]
    said = " ".join(run(*command).stderr.split())
    assert "extrapolation is not watched" in said
    assert "descriptor of atoms" in run.refuses(*command, "--stop-when-extrapolating", 0.5)


def test_predictions_say_how_far_outside_they_lie(run, argon, tmp_path):
    run("fit", "snap", argon, "-o", tmp_path / "fit", *OWN_FITS)
    inside = run("predict", tmp_path / "fit", argon, "-o", tmp_path / "same.xyz")
    assert "extrapolat" not in inside.stderr
    assert all(a.info["extrapolation"] == 0 for a in read(tmp_path / "same.xyz", index=":"))
    frames = read(argon, index=":3")
    frames[1].set_cell(0.9 * frames[1].cell, scale_atoms=True)
    write(tmp_path / "dense.xyz", frames)
    said = run("predict", tmp_path / "fit", tmp_path / "dense.xyz", "-o", tmp_path / "out.xyz").stderr
    assert "1 of 3 structures extrapolate" in " ".join(said.split())
    found = read(tmp_path / "out.xyz", index=":")
    assert [a.info["extrapolation"] > 0 for a in found] == [False, True, False]
    assert found[1].arrays["atomic_extrapolation"].max() == found[1].info["extrapolation"]
