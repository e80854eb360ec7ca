"""select and compare-selectors: files in, files out; what is refused; a study that goes on where it stood."""

import csv
import json
import re

import numpy as np
import pytest
from ase.io import read
from small_data import write_argon
from small_recipe import CLASS, RECIPE

from cambrian.report.selection import picture


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return write_argon(tmp_path_factory.mktemp("pool") / "pool.xyz", 12, size=1, spread=0.15)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return write_argon(tmp_path_factory.mktemp("other") / "test.xyz", 3, seed=5, size=1, spread=0.15)


def places(path):
    return [tuple(a.positions.ravel()) for a in read(path, index=":")]


def test_chosen_and_rest_are_all(run, pool, tmp_path):
    said = run("select", "random", pool, "-n", 5, "-o", tmp_path / "a.xyz", "--rest", tmp_path / "b.xyz", "--seed", 2)
    chosen, rest = places(tmp_path / "a.xyz"), places(tmp_path / "b.xyz")
    assert len(chosen) == 5
    assert set(chosen) | set(rest) == set(places(pool))
    assert not set(chosen) & set(rest)
    assert [p for p in places(pool) if p in rest] == rest  # in the order they came
    assert "Wrote 5 of 12" in said.stderr
    assert re.search(r"hot +\d", said.stdout)
    assert read(tmp_path / "a.xyz", index=0).get_forces().shape == (4, 3)  # labels stay
    run("select", "random", pool, "-n", 5, "-o", tmp_path / "c.xyz", "--seed", 2)
    assert (tmp_path / "c.xyz").read_bytes() == (tmp_path / "a.xyz").read_bytes()


def test_known_ones_are_left_out(run, pool, tmp_path):
    run("select", "farthest_point", pool, "-n", 4, "-o", tmp_path / "first.xyz")
    command = [
        "select",
        "farthest_point",
        pool,
        "-n",
        20,
        "--known",
        tmp_path / "first.xyz",
        "-o",
        tmp_path / "all.xyz",
    ]
    assert "there are no more" in run(*command).stderr
    assert set(places(tmp_path / "all.xyz")) == set(places(pool)) - set(places(tmp_path / "first.xyz"))
    assert "are known already" in run.refuses(*command[:-1], tmp_path / "none.xyz", "--known", pool)
    assert not (tmp_path / "none.xyz").exists()


def test_the_descriptor_can_be_set(run, pool, tmp_path):
    command = ["select", "farthest_point", pool, "-n", 3, "-o"]
    run(*command, tmp_path / "a.xyz", "--set", "descriptor.two_j_max=2", "--set", "by=atoms")
    run(*command, tmp_path / "b.xyz", "--set", "descriptor=SO4Bispectrum", "--set", "descriptor.cutoff=4")
    assert "did you mean 'cutoff'" in run.refuses(*command, tmp_path / "c.xyz", "--set", "descriptor.cutof=4")
    assert "'structures' or 'atoms'" in run.refuses(*command, tmp_path / "c.xyz", "--set", "by=molecules")


def test_a_potential_guides(run, fitted, pool, tmp_path):
    potential = ["--potential", fitted / "potential.safetensors", "--own", CLASS]
    for name in ("uncertainty", "atomic_energy"):
        run("select", name, pool, "-n", 3, "-o", tmp_path / f"{name}.xyz", *potential)
        assert len(places(tmp_path / f"{name}.xyz")) == 3
        assert "--potential FILE" in run.refuses("select", name, pool, "-n", 3, "-o", tmp_path / "x.xyz")


def test_mistakes(run, pool, tmp_path):
    said = run.refuses("select", "farthest_points", pool, "-n", 3, "-o", tmp_path / "x.xyz")
    assert "did you mean 'farthest_point'" in said
    assert "is a folder" in run.refuses("select", "random", pool, "-n", 3, "-o", tmp_path)
    run("select", "random", pool, "-n", 0, "-o", tmp_path / "x.xyz", code=2)


@pytest.fixture(scope="module")
def study(pool, other):
    selectors = "random,farthest_point,uncertainty"
    command = ["compare-selectors", pool, "--test", other, "--recipe", RECIPE, "--selectors", selectors]
    return [*command, "--numbers", "6,3", "--repeats", 2]


def test_the_study(run, study, tmp_path):
    """Means and deviations are those of its own fits, by hand; files are there; a second run fits nothing."""
    said = run(*study, "-o", tmp_path).stdout
    assert "Least force RMSE: " in said
    rows = list(csv.DictReader((tmp_path / "selection.csv").read_text().splitlines()))
    assert [(r["selector"], r["number"]) for r in rows] == [
        (s, n) for s in ("random", "farthest_point", "uncertainty") for n in ("3", "6")
    ]
    fits = [json.loads((tmp_path / "fits" / f"uncertainty-6-{seed}.json").read_text()) for seed in (0, 1)]
    values = [f["test"]["force_max"] for f in fits]
    assert float(rows[5]["force_max"]) == pytest.approx(np.mean(values))
    assert float(rows[5]["force_max_std"]) == pytest.approx(np.std(values, ddof=1))
    for found in fits:
        assert len(set(found["chosen"])) == 6
    assert json.loads((tmp_path / "selection.json").read_text())[5]["force_max"] == float(rows[5]["force_max"])
    assert (tmp_path / "selection.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "selection.svg").read_bytes()
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure>") == 4
    assert "http://" not in page
    assert "https://" not in page
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "fits").iterdir()}
    run(*study, "-o", tmp_path)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "fits").iterdir()} == stamps


def test_an_interrupted_study_goes_on(run, interrupt, study, tmp_path):
    said = interrupt("study", 0.5, *study, "--repeats", 1, "-o", tmp_path)
    assert "goes on with the study" in said
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "fits").iterdir()}
    assert len(done) == 3
    (tmp_path / "fits" / "random-3-0.json").write_text("{half a fi")
    run(*study, "--repeats", 1, "-o", tmp_path)
    assert len(list((tmp_path / "fits").iterdir())) == 6
    kept = tmp_path / "fits" / "farthest_point-3-0.json"
    assert kept.stat().st_mtime_ns == done[kept]
    run(*study, "--repeats", 1, "-o", tmp_path, "--set", "recipe.cutoff=5")  # another study: all anew
    assert kept.stat().st_mtime_ns != done[kept]


def test_a_selector_is_judged_by_what_it_finds(run, other, tmp_path):
    """Planted: a pool of copies and a few that differ; far points learn what random copies cannot teach."""
    from ase.io import write
    from small_data import argon

    copies = [argon(1, size=1, spread=0.02)[0] for _ in range(30)]
    for k, atoms in enumerate(copies):
        atoms.info["copy"] = k
    path = tmp_path / "pool.xyz"
    write(path, [*copies, *argon(4, seed=3, size=1, spread=0.2)], format="extxyz")
    command = ["compare-selectors", path, "--test", other, "--recipe", RECIPE, "--numbers", 4, "--repeats", 2]
    run(*command, "--selectors", "random,farthest_point", "-o", tmp_path / "out")
    random, far = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert far["force_rmse"] < random["force_rmse"]


def test_mistakes_in_a_study(run, study, pool, tmp_path):
    assert "fewer than 99" in run.refuses(*study, "--numbers", "3,99", "-o", tmp_path / "x")
    assert "2 or more" in run.refuses(*study, "--numbers", "1,3", "-o", tmp_path / "x")
    assert "whole numbers" in run.refuses(*study, "--numbers", "3,many", "-o", tmp_path / "x")
    assert "did you mean 'random'" in run.refuses(*study, "--selectors", "randm", "-o", tmp_path / "x")
    assert "begin with one of recipe" in run.refuses(*study, "--set", "cutoff=5", "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_figure_without_energies_has_fewer_panels():
    errors = {"force_max": 1.0, "force_rmse": 0.1, "force_mae": 0.05, "energy_rmse": None, "energy_mae": None}
    row = {"selector": "random", "number": 3, "repeats": 1, **errors, **{f"{k}_std": None for k in errors}}
    assert picture([row], "svg").count(b'id="axes_') == 3
