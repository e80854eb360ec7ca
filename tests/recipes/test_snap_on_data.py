from pathlib import Path

import pytest
import torch

from cambrian.configuration.recipe import Recipe
from cambrian.data import read
from cambrian.deploy.lammps_import import import_lammps
from cambrian.fit.fit import assess, fit
from cambrian.recipes.qsnap import qsnap
from cambrian.recipes.snap import snap

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not here")

# MAE of the published potentials on the published test sets, eV/atom and eV/Å: LAMMPS, Zuo et al. (2020)
PUBLISHED = {
    ("Si", "snap"): (6.44e-3, 0.133),
    ("Si", "qsnap"): (3.81e-3, 0.116),
    ("Li", "snap"): (1.03e-3, 0.0277),
    ("Li", "qsnap"): (0.73e-3, 0.0328),
}


@pytest.mark.parametrize(("element", "name"), PUBLISHED)
def test_published_potentials_give_their_published_errors(element, name):
    potential = import_lammps(DATA / "mlearn" / "published-potentials" / element / name)
    figures = assess(potential, read(DATA / "mlearn" / f"{element}_test.extxyz")).errors.figures()
    energy, force = PUBLISHED[element, name]
    assert figures["energy_mae"] == pytest.approx(energy, abs=0.5e-5)
    assert figures["force_mae"] == pytest.approx(force, abs=0.5e-3 if element == "Si" else 0.5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("element", "name"), PUBLISHED)
def test_defaults_are_better_than_what_was_published(element, name):
    potential, solver = {"snap": snap, "qsnap": qsnap}[name]()
    train, test = (read(DATA / "mlearn" / f"{element}_{part}.extxyz") for part in ("training", "test"))
    figures = fit(potential, train, solver, test=test).parts["test"].errors.figures()
    energy, force = PUBLISHED[element, name]
    assert figures["energy_mae"] < energy
    assert figures["force_mae"] < force


@pytest.mark.slow
def test_tantalum_as_published():
    """FitSNAP's own table of the same fit, Ta_metrics.md."""
    potential, solver = Recipe.of(str(ROOT / "examples" / "ta_snap.yaml")).build()
    result = fit(potential, read(DATA / "fitsnap-Ta" / "Ta.extxyz"), solver)
    figures = result.parts["train"].errors.figures()
    expected = {"energy_mae": 0.112787, "energy_rmse": 0.379769, "force_mae": 0.0757576, "force_rmse": 0.160973}
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    groups = published_groups()
    assert set(figures["groups"]) == {name for name, _, _ in groups}
    for (name, kind, figure), value in groups.items():
        if kind == "Energy" or value > 1e-10:
            found = figures["groups"][name][f"{kind.lower()}_{figure}"]
            assert found == pytest.approx(value, rel=1e-4), (name, kind, figure)
    coefficients = (DATA / "fitsnap-Ta" / "published" / "Ta_pot.snapcoeff").read_text().splitlines()
    published = [float(line.split("#")[0]) for line in coefficients if "B[" in line]
    terms = list(result.potential.terms())
    found = terms[1].linear().coefficients.clone()
    # ours subtracts the atom without neighbors and the reference energy from the constant; theirs does not
    alone = torch.tensor([j + 1.0 for j in top_orders(6)], dtype=torch.float64)
    found[0] += float(terms[0].energies[0]) - float(found[1:] @ alone)
    assert found.tolist() == pytest.approx(published, rel=1e-4)


def top_orders(two_j_max: int) -> list[int]:
    from cambrian.math.bispectrum import bispectrum_orders

    return [j for _, _, j in bispectrum_orders(two_j_max)]


def published_groups() -> dict[tuple[str, str, str], float]:
    """Unweighted errors of energy and forces by group."""
    found = {}
    for line in (DATA / "fitsnap-Ta" / "published" / "Ta_metrics.md").read_text().splitlines()[2:]:
        label, _, mae, rmse, _ = (cell.strip() for cell in line.strip("|").split("|"))
        name, weighting, kind = (word.strip("'() ") for word in label.split(","))
        if weighting == "Unweighted" and kind != "Stress" and name != "*ALL":
            found |= {(name, kind, "mae"): float(mae), (name, kind, "rmse"): float(rmse)}
    return found
