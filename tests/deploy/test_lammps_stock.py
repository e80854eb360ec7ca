import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_runs import single_point

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.committee import Committee
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.deploy.lammps_import import import_lammps
from cambrian.deploy.lammps_stock import deploy
from cambrian.deploy.snap_read import read_parameters
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.quadratic import QuadraticRegressor
from cambrian.units import COULOMB

torch.set_num_threads(1)


def crystal(elements: str, seed: int = 0) -> Atoms:
    """Atoms of some elements in turn on a rattled lattice in a skewed cell shorter than the cutoff."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(range(2), range(2), range(3), indexing="ij"), -1).reshape(-1, 3) / [2, 2, 3]
    cell = np.array([[5.1, 0.3, -0.2], [-0.6, 5.3, 0.4], [0.5, -0.3, 7.6]])
    symbols = [elements.split()[k % len(elements.split())] for k in range(len(grid))]
    return Atoms(symbols, grid @ cell + rng.uniform(-0.25, 0.25, grid.shape), cell=cell, pbc=True)


def set_up(terms: Potential, atoms: Atoms, seed: int = 3) -> Potential:
    """A potential for these atoms with random coefficients of the size that fits have."""
    terms.setup(Dataset([Structure(atoms, energy=-4.0 * len(atoms))]))
    generator = torch.Generator().manual_seed(seed)
    for term in terms.terms():
        view = term.linear()
        if view is not None:
            size = 1e-4 if isinstance(term.regressor, QuadraticRegressor) else 1e-2
            view.coefficients = size * torch.randn(len(view.coefficients), generator=generator, dtype=torch.float64)
    return terms


def input_lines(folder) -> list[str]:
    """The lines of in.lammps, with files named by their whole path."""
    lines = []
    for line in (folder / "in.lammps").read_text().splitlines():
        words = [str(folder / w) if w.startswith("potential") else w for w in line.split()]
        if words and words[0] != "#":
            lines.append(" ".join(words))
    return lines


def assert_equal_in_lammps(potential: Potential, atoms: Atoms, folder) -> None:
    deploy(potential, folder)
    found = single_point(atoms, input_lines(folder))
    ours = evaluate(potential, graph_of(atoms, potential.cutoff))
    assert abs(found.energy - float(ours.energy[0])) / len(atoms) < 1e-8
    np.testing.assert_allclose(found.forces, ours.forces, atol=1e-7)
    np.testing.assert_allclose(found.stress, ours.stress[0], atol=1e-8)
    assert float(ours.forces.abs().max()) > 0.1


CASES = {
    "snap": ("Si", LinearRegressor, {}),
    "qsnap": ("Si", QuadraticRegressor, {}),
    "snap, two elements": (
        "Be W",
        LinearRegressor,
        {"radii": {"W": 0.5, "Be": 0.42}, "weights": {"W": 1.0, "Be": 0.7}},
    ),
    "qsnap, three elements": ("O Si Ta", QuadraticRegressor, {"rmin0": 0.3, "rfac0": 0.95}),
    "raw": ("Be W", LinearRegressor, {"bzero": False}),
    "normalized": ("Be W", QuadraticRegressor, {"bnorm": True}),
    "chemical": ("Be W", LinearRegressor, {"chem": True, "bnorm": True, "weights": {"Be": 0.9, "W": 1.0}}),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_in_stock_lammps(case, tmp_path):
    elements, regressor, options = CASES[case]
    atoms = crystal(elements)
    model = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=4, **options), regressor())
    assert_equal_in_lammps(set_up(IsolatedAtoms() + model, atoms), atoms, tmp_path)


@pytest.mark.parametrize("reach", [{"inner": 1.0, "outer": 2.6}, {"radius_fraction": 1.1}])
@pytest.mark.parametrize("elements", ["Si", "Be O"])
def test_with_repulsion_equal_in_stock_lammps(reach, elements, tmp_path, monkeypatch):
    lammps_coulomb = 14.399645  # what `units metal` takes; ours has more digits
    monkeypatch.setattr("cambrian.classical.zbl.COULOMB", lammps_coulomb)
    assert pytest.approx(lammps_coulomb, rel=1e-7) == COULOMB
    atoms = crystal(elements)
    model = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=4), LinearRegressor())
    potential = set_up(IsolatedAtoms() + model + Frozen(ZBL(**reach)), crystal(elements, seed=1))
    assert_equal_in_lammps(potential, atoms, tmp_path)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reach", [None, {"inner": 1.0, "outer": 2.0}, {"radius_fraction": 0.9}])
def test_round_trip_is_exact(case, reach, tmp_path):
    elements, regressor, options = CASES[case]
    atoms = crystal(elements)
    model = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=4, **options), regressor())
    potential = set_up(model if reach is None else model + Frozen(ZBL(**reach)), crystal(elements, seed=1))
    deploy(potential, tmp_path)
    again = import_lammps(tmp_path)
    ours, read_back = (evaluate(p, graph_of(atoms, p.cutoff)) for p in (potential, again))
    assert again.elements.tolist() == potential.elements.tolist()
    assert float(read_back.energy[0]) == pytest.approx(float(ours.energy[0]), rel=1e-14)
    np.testing.assert_allclose(read_back.forces, ours.forces, rtol=1e-13, atol=1e-13)
    deploy(again, tmp_path / "again")
    for name in ("potential.snapcoeff", "potential.snapparam"):
        assert (tmp_path / name).read_text() == (tmp_path / "again" / name).read_text()


def test_defaults_of_a_sparse_parameter_file_are_those_of_lammps(tmp_path):
    atoms = crystal("Be W")
    options = {"chem": True, "weights": {"Be": 0.9, "W": 1.0}}
    model = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=2, **options), LinearRegressor())
    deploy(set_up(model, atoms), tmp_path)
    (tmp_path / "potential.snapparam").write_text("rcutfac 4.5\ntwojmax 2\nchemflag 1\n")
    again = import_lammps(tmp_path)
    found = single_point(atoms, input_lines(tmp_path))
    assert found.energy == pytest.approx(float(evaluate(again, graph_of(atoms, again.cutoff)).energy[0]), abs=1e-7)


def test_what_lammps_cannot_run_is_refused(tmp_path):
    atoms = crystal("Si")
    with pytest.raises(UserError, match="Committee has no form"):
        deploy(set_up(Committee([IsolatedAtoms()]), atoms), tmp_path)
    with pytest.raises(UserError, match="without a SNAP to carry them"):
        deploy(set_up(IsolatedAtoms(), atoms), tmp_path)
    with pytest.raises(UserError, match="not fitted yet"):
        deploy(DescriptorPotential(SO4Bispectrum(), LinearRegressor()), tmp_path)


def test_a_line_for_diagonal_components_is_ignored(tmp_path):
    file = tmp_path / "a.snapparam"
    file.write_text("# required\nrcutfac 4.9\ntwojmax 8 # even\ndiagonalstyle 3\nbzeroflag 0\n")
    parameters = read_parameters(file)
    assert parameters["twojmax"] == 8
    assert parameters["bzeroflag"] == 0
    assert "diagonalstyle" not in parameters


PAIR_LINES = "pair_style hybrid/overlay zero 10.0 zbl 4.0 4.8 snap\npair_coeff * * zero\npair_coeff * * zbl 14 14\n"


@pytest.fixture
def folder(tmp_path):
    """A deployed SNAP of silicon."""
    atoms = crystal("Si")
    deploy(set_up(DescriptorPotential(SO4Bispectrum(two_j_max=2), LinearRegressor()), atoms), tmp_path)
    return tmp_path


def test_lines_as_others_write_them(folder):
    text = PAIR_LINES + "pair_coeff * * snap &\n potential.snapcoeff potential.snapparam Si\n"
    (folder / "in.lammps").write_text("units metal\n" + text)
    potential = import_lammps(folder)
    zbl = [term for term in potential.terms() if isinstance(term, Frozen)][0].potential
    assert (zbl.inner, zbl.outer) == (4.0, 4.8)
    assert potential.cutoff == 5.0


def test_two_files_suffice(folder):
    (folder / "in.lammps").unlink()
    assert import_lammps(folder).elements.tolist() == [14]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pair_style eam/alloy", "'eam/alloy' cannot be imported"),
        (PAIR_LINES.replace("14 14", "13 13"), "not those of Si and Si"),
        ("units real", "units metal"),
        ("pair_coeff * * potential.snapcoeff $p Si", "variable"),
        ("pair_style snap\npair_coeff * * potential.snapcoeff potential.snapparam Ge", "no Ge"),
        ("pair_style snap\npair_coeff * * other.snapcoeff potential.snapparam Si", "cannot read .*other.snapcoeff"),
        ("pair_style snap\npair_coeff * * potential.snapcoeff potential.snapparam NULL", "no NULL"),
    ],
)
def test_inputs_that_cannot_be_imported(folder, line, message):
    text = (folder / "in.lammps").read_text()
    if line.startswith("pair_style hybrid"):
        text = "pair_coeff * * snap potential.snapcoeff potential.snapparam Si\n"
        line, text = "", line + text
    (folder / "in.lammps").write_text(text + line + "\n")
    with pytest.raises(UserError, match=message):
        import_lammps(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("snapcoeff", "1 6", "1 7", "may be truncated"),
        ("snapcoeff", "1 6", "one 6", "no .snapcoeff file"),
        ("snapparam", "twojmax 2", "twojmax 3", "needs 9 coefficients"),
        ("snapparam", "rcutfac 5.0", "", "rcutfac and twojmax are needed"),
        ("snapparam", "twojmax 2", "twojmax two", "takes a number"),
        ("snapparam", "twojmax 2", "twojmax 2\nswitchinnerflag 1", "inner switch"),
        ("snapparam", "twojmax 2", "twojmax 2\nswitchflags 1", "no parameter of SNAP"),
    ],
)
def test_files_that_cannot_be_imported(folder, name, old, new, message):
    file = folder / f"potential.{name}"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        import_lammps(folder)


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match="there is no"):
        import_lammps(tmp_path / "nowhere")
    with pytest.raises(UserError, match="0 .snapcoeff files"):
        import_lammps(tmp_path)
