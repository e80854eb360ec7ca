"""Tables of pairs: written, run by LAMMPS, and read back."""

import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_runs import single_point

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.tabulated import Tabulated
from cambrian.classical.zbl import ZBL
from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.deploy.tables import deploy
from cambrian.deploy.tables_import import import_tables, sections_of
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.networks.three_body_kernel import ThreeBodyKernel
from cambrian.networks.two_body_kernel import TwoBodyKernel


def gas() -> Atoms:
    rng = np.random.default_rng(3)
    places = 1.9 * np.indices((3, 3, 3)).reshape(3, -1).T + rng.uniform(-0.2, 0.2, (27, 3))
    return Atoms("HCO" * 9, positions=places, cell=np.eye(3) * 5.7, pbc=True)


def curves() -> TwoBodyKernel:
    return TwoBodyKernel.example()


def test_read_back(tmp_path):
    written = deploy(curves(), tmp_path)
    assert [path.name for path in written] == ["potential.table", "in.lammps"]
    save(import_tables(tmp_path), tmp_path / "again.safetensors")
    again = load(tmp_path / "again.safetensors")
    graph = graph_of(gas(), 3.5)
    found, truth = evaluate(again, graph), evaluate(curves(), graph)
    assert torch.allclose(found.energy, truth.energy, atol=1e-9)
    assert torch.allclose(found.forces, truth.forces, atol=1e-7)
    assert again.elements.tolist() == [1, 6, 8]


def test_lammps_runs_them(tmp_path, monkeypatch):
    total = curves() + ZBL(inner=1.5, outer=3.0)
    total.elements = curves().elements
    deploy(total, tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = [line for line in (tmp_path / "in.lammps").read_text().splitlines() if line.startswith("pair")]
    truth = evaluate(total, graph_of(gas(), 3.5))
    found = single_point(gas(), lines)
    assert found.energy == pytest.approx(float(truth.energy[0]), abs=2e-5)
    np.testing.assert_allclose(found.forces, truth.forces.numpy(), atol=2e-4)


def test_of_a_sum_the_two_body_terms(tmp_path):
    remarks = []
    three = ThreeBodyKernel.example()
    total, without = IsolatedAtoms.example() + curves() + three, IsolatedAtoms.example() + three
    total.elements = without.elements = curves().elements
    deploy(total, tmp_path, remark=remarks.append)
    assert remarks == ["the tables hold the two-body terms alone; left out: IsolatedAtoms, ThreeBodyKernel"]
    graph = graph_of(gas(), 3.5)
    assert torch.allclose(evaluate(import_tables(tmp_path), graph).energy, evaluate(curves(), graph).energy, atol=1e-9)
    with pytest.raises(UserError, match="no term of this potential is a sum over pairs"):
        deploy(without, tmp_path)


def test_elements_that_do_not_meet_and_other_names(tmp_path):
    path = tmp_path / "some.table"
    path.write_text(
        "# a comment\nO_Si\nN 3 RSQ 1.0 2.0\n1 9 3.0 2.0\n2 9 1.0 1.0\n3 9 0 0\nLJ\nN 2\n1 1 1 1\n2 2 0 0\n"
    )
    remarks = []
    potential = import_tables(path, remark=remarks.append)
    assert "LJ" in remarks[0]
    assert isinstance(potential, Tabulated)
    middle = Atoms("SiO", positions=[[0, 0, 0], [0, 0, 2.5**0.5]])
    assert float(evaluate(potential, graph_of(middle, 2.0)).energy[0]) == pytest.approx(1.0)
    alone = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.5]])
    assert float(evaluate(potential, graph_of(alone, 2.0)).energy[0]) == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Si-O\n1 2 3 4\n", "a line `N number"),
        ("Si-O\nN 3 R 1 2\n1 1 1 1\n2 2 2 2\n", "announces 3 rows"),
        ("Si-O\nN 2 BITMAP 1 2\n1 1 1 1\n2 2 2 2\n", "BITMAP"),
        ("Si-O\nN 2 R 1\n1 1 1 1\n2 2 2 2\n", "needs 2 numbers"),
        ("Si-O\nN 2\n1 1 x 1\n2 2 2 2\n", "could not convert"),
    ],
)
def test_broken_files(text, message):
    with pytest.raises(UserError, match=message):
        sections_of(text, "a.table")


def test_what_cannot_be_found(tmp_path):
    with pytest.raises(UserError, match="no .* to import"):
        import_tables(tmp_path / "nowhere")
    with pytest.raises(UserError, match="one file"):
        import_tables(tmp_path)
    (tmp_path / "a.table").write_text("LJ\nN 2\n1 1 1 1\n2 2 0 0\n")
    with pytest.raises(UserError, match="named after two elements"):
        import_tables(tmp_path)
    with pytest.raises(UserError, match="not fitted"):
        deploy(LennardJones(), tmp_path)
