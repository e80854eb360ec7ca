"""Files of LAMMPS read back: mliap models against LAMMPS itself, and repulsion that stands beside a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_runs import single_point

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.frozen import Frozen
from cambrian.data import Dataset, Structure
from cambrian.deploy.lammps_import import import_lammps
from cambrian.deploy.lammps_stock import deploy
from cambrian.deploy.mliap_import import import_mliap
from cambrian.deploy.yace_import import import_yace
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.bispectrum import symmetrized
from cambrian.regressors.linear import LinearRegressor

N_COMPONENTS = 14  # of 2J = 4


def crystal(scale: float = 1.0) -> Atoms:
    """Twelve atoms of Be and W, rattled, in a skewed cell."""
    grid = np.stack(np.meshgrid(range(2), range(2), range(3), indexing="ij"), -1).reshape(-1, 3) / [2, 2, 3]
    cell = scale * np.array([[5.1, 0.3, -0.2], [-0.6, 5.3, 0.4], [0.5, -0.3, 7.6]])
    rng = np.random.default_rng(0)
    return Atoms(["Be", "W"] * 6, grid @ cell + rng.uniform(-0.25, 0.25, grid.shape), cell=cell, pbc=True)


def write_mliap(folder: Path, count: int, *, parameters: str = "", elements: str = "W Be") -> None:
    """Random coefficients, elements in the order in which others may give them."""
    rng = np.random.default_rng(1)
    numbers = torch.from_numpy(rng.normal(size=(2, count)))
    if "chem" in parameters:  # forces of LAMMPS are the gradient of its energy for such alone
        numbers[:, 1:] = symmetrized(numbers[:, 1:], 4, 2)
    rows = [repr(number) for number in numbers.flatten().tolist()]
    (folder / "a.mliap.model").write_text("# made up\n\n2 " + f"{count}\n" + "\n".join(rows) + "\n")
    (folder / "a.mliap.descriptor").write_text(
        f"# made up\nrcutfac 4.6\ntwojmax 4\nrfac0 0.97\nrmin0 0.2\n{parameters}\n\nnelems 2\nelems {elements}\n"
        "radelems 0.5 0.42\nwelems 1.0 0.7\n"
    )


MODELS = {
    "linear": (1 + N_COMPONENTS, ""),
    "quadratic": (1 + N_COMPONENTS + N_COMPONENTS * (N_COMPONENTS + 1) // 2, "bzeroflag 0"),
    "chemical": (1 + 8 * N_COMPONENTS, "chemflag 1\nbnormflag 1"),
}


@pytest.mark.parametrize("case", MODELS)
def test_mliap_models_equal_lammps(case, tmp_path):
    count, parameters = MODELS[case]
    write_mliap(tmp_path, count, parameters=parameters)
    atoms, kind = crystal(), "linear" if case == "chemical" else case
    places = f"model {kind} {tmp_path / 'a.mliap.model'} descriptor sna {tmp_path / 'a.mliap.descriptor'}"
    found = single_point(atoms, [f"pair_style mliap {places}", "pair_coeff * * Be W"])
    potential = import_mliap(tmp_path)
    ours = evaluate(potential, graph_of(atoms, potential.cutoff))
    scale = float(ours.forces.abs().max())
    np.testing.assert_allclose(found.energies, ours.atomic_energies.detach(), rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(found.forces, ours.forces, rtol=0, atol=1e-9 * scale)


def test_mliap_lines_with_repulsion_in_front(tmp_path):
    write_mliap(tmp_path, 1 + N_COMPONENTS)
    (tmp_path / "in.pot").write_text(
        "pair_style hybrid/overlay zbl 1.0 2.0 mliap model linear a.mliap.model descriptor sna a.mliap.descriptor\n"
        "pair_coeff 1 1 zbl 4 4\npair_coeff 1 2 zbl 4 74\npair_coeff 2 2 zbl 74 74\npair_coeff * * mliap Be W\n"
    )
    both, alone, atoms = import_mliap(tmp_path), None, crystal(0.8)
    (tmp_path / "in.pot").unlink()
    alone = import_mliap(tmp_path)
    zbl = ZBL(inner=1.0, outer=2.0)
    zbl.setup(Dataset([Structure(atoms)]))
    graph = graph_of(atoms, both.cutoff)
    repulsion = evaluate(zbl, graph).forces
    assert float(repulsion.abs().max()) > 0.1
    torch.testing.assert_close(
        evaluate(both, graph).forces, evaluate(alone, graph).forces + repulsion, rtol=1e-12, atol=1e-10
    )


@pytest.mark.parametrize("pairs_of_their_own", [False, True])
def test_an_expansion_comes_back_with_its_repulsion(pairs_of_their_own, tmp_path):
    atoms = crystal(0.8)
    zbl = ZBL() if pairs_of_their_own else ZBL(inner=1.0, outer=2.0)
    expansion = DescriptorPotential(AtomicClusterExpansion(cutoff=3.8, n_max=[4, 2], l_max=[0, 2]), LinearRegressor())
    potential = IsolatedAtoms({"Be": -1.0, "W": -4.0}) + expansion + Frozen(zbl)
    potential.setup(Dataset([Structure(crystal())]))
    with torch.no_grad():
        expansion.regressor.coefficients.normal_(generator=torch.Generator().manual_seed(0))
    deploy(potential, tmp_path)
    graph = graph_of(atoms, 4.5)
    ours = evaluate(potential, graph)
    assert float(evaluate(zbl, graph).forces.abs().max()) > 0.1
    for read in (import_yace, import_lammps):
        again = evaluate(read(tmp_path), graph)
        for name in ("energy", "forces", "stress"):
            torch.testing.assert_close(getattr(again, name), getattr(ours, name), rtol=1e-11, atol=1e-9)
    alone = evaluate(import_yace(tmp_path / "potential.yace"), graph)
    assert float((alone.forces - ours.forces).abs().max()) > 0.1


REFUSED = [
    (("a.mliap.model", "2 15", "2 16"), "2 x 16 numbers are announced, 30 found"),
    (("a.mliap.model", "2 15\n", "2 15\nNET 14 1 linear 1\n"), "is a network"),
    (("a.mliap.descriptor", "twojmax 4", "twojmax 6"), "31 or 496 fit"),
    (("a.mliap.descriptor", "welems 1.0 0.7", "welems 1.0"), "as many elems"),
    (("a.mliap.descriptor", "rmin0 0.2", "rmin0 0.2\nswitchinnerflag 1"), "inner switch"),
    (("a.mliap.descriptor", "rmin0 0.2", "rmin0 0.2\nsomething 1"), "no parameter of SNAP"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_broken_files_are_refused(change, message, tmp_path):
    write_mliap(tmp_path, 1 + N_COMPONENTS)
    file = tmp_path / change[0]
    assert change[1] in file.read_text()
    file.write_text(file.read_text().replace(change[1], change[2]))
    with pytest.raises(UserError, match=message):
        import_mliap(tmp_path)
