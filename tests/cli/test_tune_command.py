"""`tune` writes its trials, a recipe that fits, and a page; mistakes are refused."""

import json


def test_the_best_recipe_fits(run, argon, tmp_path):
    command = ["tune", "snap", argon, "-o", tmp_path / "tuned", "--set", "two_j_max=0", "--over", "cutoff:4.5:5.5"]
    said = run(*command, "--trials", 3)
    assert "best" in said.stdout
    trials = [json.loads(line) for line in (tmp_path / "tuned" / "trials.jsonl").read_text().splitlines()[1:]]
    assert len(trials) == 3
    best = min(trials, key=lambda t: t["objective"])["values"]["cutoff"]
    assert "Objective of each trial" in (tmp_path / "tuned" / "report.html").read_text()
    run("fit", tmp_path / "tuned" / "best.yaml", argon, "-o", tmp_path / "fit")
    assert f"cutoff: {best}" in (tmp_path / "fit" / "recipe.yaml").read_text()
    assert "another study" in run.refuses(*command, "--seed", 1)
    assert "NAME:LOW:HIGH" in run.refuses("tune", "snap", argon, "-o", tmp_path / "x", "--over", "cutoff")
