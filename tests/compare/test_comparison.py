"""The front, the rule and the tables, on planted figures."""

import csv
import io
import json

import pytest

from cambrian.compare.comparison import Comparison, Row, on_front
from cambrian.compare.page import as_table, sections, write_comparison


def row(name: str, force: float | None, cost: float | None, **others) -> Row:
    errors = {"energy_mae": 0.001, "energy_rmse": 0.002, "force_mae": 0.5 * (force or 0.0), "force_rmse": force}
    return Row(name, errors, us_per_atom_step=cost, fit_seconds=1.0, n_parameters=3, **others)


def test_front_of_planted_points():
    points = [(1.0, 9.0), (2.0, 3.0), (3.0, 3.5), (4.0, 1.0), (5.0, 1.0), (2.0, 3.0)]
    assert on_front(points) == [True, True, False, True, False, True]
    assert on_front([]) == []


@pytest.mark.parametrize(
    ("rows", "chosen", "front"),
    [
        ([row("net", 0.050, 900.0), row("snap", 0.059, 10.0), row("lj", 0.400, 1.0)], "snap", ["net", "snap", "lj"]),
        ([row("net", 0.050, 900.0), row("snap", 0.061, 10.0), row("lj", 0.400, 1.0)], "net", ["net", "snap", "lj"]),
        ([row("net", 0.050, 900.0), row("slow", 0.051, 950.0)], "net", ["net"]),
        ([row("exact", 0.0, 5.0), row("cheap", 1e-9, 1.0)], "exact", ["exact", "cheap"]),
        ([row("broken", None, 5.0), row("snap", 0.1, 1.0)], "snap", ["snap"]),
    ],
)
def test_the_cheapest_within_a_fifth_of_the_lowest_error_is_recommended(rows, chosen, front):
    found = Comparison(tuple(rows))
    assert getattr(found.recommended(), "name", None) == chosen
    assert f"Take {chosen} " in found.sentence()
    assert found.front() == front


def test_energies_decide_where_there_are_no_forces():
    good = Row("good", {"energy_rmse": 0.001, "force_rmse": None}, us_per_atom_step=2.0)
    bad = Row("bad", {"energy_rmse": 0.010, "force_rmse": None}, us_per_atom_step=1.0)
    found = Comparison((bad, good))
    assert found.judged_by == "energy_rmse"
    assert found.recommended() is good
    assert "meV/atom" in found.sentence()


def test_the_reason_has_the_right_figures():
    found = Comparison((row("net", 0.050, 900.0), row("snap", 0.055, 10.0)))
    assert found.sentence() == (
        "Take snap (force RMSE 55.0 meV/Å, 10.0 µs/atom/step): its error is 10 % above the lowest (net), and it runs "
        "90.0 times faster."
    )


def test_nothing_fitted_is_said():
    found = Comparison((Row("net", failure="all: no"),))
    assert found.recommended() is None
    assert found.sentence().startswith("No recipe could be fitted")
    assert len(sections(found)) == 2


def test_files_hold_the_figures_and_escape_what_failed(tmp_path):
    curve = ((4, {"energy_rmse": 0.01, "force_rmse": 0.3}), (8, {"energy_rmse": 0.005, "force_rmse": 0.1}))
    found = Comparison(
        (row("snap", 0.1, 10.0, curve=curve), Row("odd", failure="all: <b>no</b>")), {"seed": 1, "splits": []}
    )
    write_comparison(tmp_path, found)
    content = json.loads((tmp_path / "compare.json").read_text())
    assert content["recommended"] == "snap"
    assert content["rows"][0]["curve"][1] == {"n_train": 8, "energy_rmse": 0.005, "force_rmse": 0.1}
    first, second = csv.DictReader(io.StringIO((tmp_path / "compare.csv").read_text()))
    assert (float(first["force_rmse"]), first["on_front"], second["failure"]) == (0.1, "1", "all: <b>no</b>")
    page = (tmp_path / "compare.html").read_text()
    assert "&lt;b&gt;no" in page
    assert "<b>no" not in page
    assert "Learning curves" in page


def test_training_is_drawn_for_all_that_have_epochs():
    epochs = [{"epoch": k, "validation_force_rmse": 0.1 / k, "seconds": float(k)} for k in (1, 2, 3)]
    found = Comparison((row("kalman", 0.03, 10.0, training=epochs), row("snap", 0.1, 10.0)))
    (section,) = (s for s in sections(found) if s.title == "Training")
    assert "kalman" in str(section.blocks)
    assert "snap" not in str(section.blocks)
    assert not any(s.title == "Training" for s in sections(Comparison((row("snap", 0.1, 10.0),))))


def test_folds_show_mean_and_deviation():
    spread = {"force_rmse": 0.01, "force_mae": 0.005, "energy_rmse": 0.0, "energy_mae": 0.0}
    header, rows = as_table(Comparison((row("snap", 0.1, 10.0, deviations=spread),)))
    assert rows[0][0] == "snap *"
    assert rows[0][header.index("force RMSE, meV/Å")] == "100 ± 10.0"
