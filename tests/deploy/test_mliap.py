"""Networks on the bispectrum in stock LAMMPS: `pair_style mliap model nn`, with repulsion and reference energies."""

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
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.deploy.lammps_stock import deploy
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.recipes.snap_nn import snap_nn
from cambrian.regressors.neural import NeuralRegressor

torch.set_num_threads(1)


def crystals(elements: str) -> list[Atoms]:
    """Rattled lattices of some elements in turn in a skewed cell shorter than the cutoff."""
    grid = np.stack(np.meshgrid(range(2), range(2), range(3), indexing="ij"), -1).reshape(-1, 3) / [2, 2, 3]
    cell = np.array([[5.1, 0.3, -0.2], [-0.6, 5.3, 0.4], [0.5, -0.3, 7.6]])
    symbols = [elements.split()[k % len(elements.split())] for k in range(len(grid))]
    rng = np.random.default_rng(0)
    return [Atoms(symbols, grid @ cell + rng.uniform(-0.25, 0.25, grid.shape), cell=cell, pbc=True) for _ in range(8)]


def set_up(potential: Potential, frames: list[Atoms]) -> Potential:
    """Scales from some structures, every weight and bias random."""
    rng = np.random.default_rng(1)
    potential.setup(Dataset([Structure(a, energy=-4.0 * len(a) + rng.normal()) for a in frames]))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in (p for p in potential.parameters() if p.requires_grad):
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return potential


def input_lines(folder: Path) -> list[str]:
    """The lines of in.lammps, with files named by their whole path."""
    words = [line.split() for line in (folder / "in.lammps").read_text().splitlines() if not line.startswith("#")]
    return [" ".join(str(folder / w) if w.startswith("potential") else w for w in line) for line in words]


def assert_equal_in_lammps(potential: Potential, atoms: Atoms, folder: Path) -> None:
    deploy(potential, folder)
    found = single_point(atoms, input_lines(folder))
    ours = evaluate(potential, graph_of(atoms, potential.cutoff))
    assert abs(found.energy - float(ours.energy[0])) / len(atoms) < 1e-9
    np.testing.assert_allclose(found.energies, ours.atomic_energies.detach(), atol=1e-9)
    np.testing.assert_allclose(found.forces, ours.forces, atol=1e-9)
    np.testing.assert_allclose(found.stress, ours.stress[0], atol=1e-10)
    assert float(ours.forces.abs().max()) > 0.1


CASES = {
    "one element": ("Si", {}, {}),
    "sigmoid": ("Si", {}, {"activation": "sigmoid", "hidden": (7,)}),
    "linear": ("Si", {}, {"hidden": ()}),
    "three layers, in other units": ("Si", {}, {"hidden": (5, 11, 4), "energy_scale": 0.3}),
    "two elements": ("Be W", {"radii": {"W": 0.5, "Be": 0.42}, "weights": {"W": 1.0, "Be": 0.7}}, {}),
    "raw, normalized": ("Be W", {"bzero": False, "bnorm": True, "rmin0": 0.3, "rfac0": 0.95}, {}),
    "chemical": ("Be W", {"chem": True, "bnorm": True, "weights": {"Be": 0.9, "W": 1.0}}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_in_stock_lammps(case, tmp_path):
    elements, options, network = CASES[case]
    frames = crystals(elements)
    descriptor = SO4Bispectrum(cutoff=4.5, two_j_max=4, **options)
    regressor = NeuralRegressor(**{"hidden": (10, 8)} | network)
    potential = set_up(IsolatedAtoms() + DescriptorPotential(descriptor, regressor), frames)
    assert_equal_in_lammps(potential, frames[0], tmp_path)


def test_recipe_with_repulsion_equal_in_stock_lammps(tmp_path, monkeypatch):
    monkeypatch.setattr("cambrian.classical.zbl.COULOMB", 14.399645)  # what `units metal` takes
    frames = crystals("Be W")
    potential = set_up(snap_nn(repulsion=Frozen(ZBL(inner=1.0, outer=2.6)))[0], frames)
    assert_equal_in_lammps(potential, frames[0], tmp_path)
    assert "hybrid/overlay" in (tmp_path / "in.lammps").read_text()


def test_activations_that_lammps_lacks_are_refused(tmp_path):
    frames = crystals("Si")
    potential = DescriptorPotential(SO4Bispectrum(two_j_max=2), NeuralRegressor(activation="softplus"))
    with pytest.raises(UserError, match="networks of tanh or sigmoid"):
        deploy(set_up(potential, frames), tmp_path)
