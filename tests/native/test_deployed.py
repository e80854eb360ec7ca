"""Deployed files give what the potential itself gives: energies, dE/dr_ij of every edge, forces, grade."""

from dataclasses import replace

import pytest
import torch
from compiled_runs import members, require_same
from contracts.subjects import dataset, names, shake, subject, usual_atoms

from cambrian.classical.element_shifts import ElementShifts
from cambrian.contracts import Potential
from cambrian.data import Dataset
from cambrian.deploy.compiled import not_compiled
from cambrian.descriptors.aev import AEV
from cambrian.math.envelopes import CosineEnvelope, ExponentialEnvelope, PolynomialEnvelope
from cambrian.native.library import available
from cambrian.networks.three_body_kernel import ThreeBodyKernel
from cambrian.networks.two_body_kernel import TwoBodyKernel
from cambrian.recipes.ace import ace
from cambrian.recipes.ani import ani
from cambrian.recipes.gap import gap
from cambrian.recipes.hdnnp import hdnnp
from cambrian.recipes.mtp import mtp
from cambrian.recipes.qsnap import qsnap
from cambrian.recipes.snap import snap
from cambrian.recipes.snap_nn import snap_nn
from cambrian.recipes.wacsf import wacsf

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")

WEIGHTS = {"H": 0.4, "C": 1.0, "O": 0.7}
RECIPES = {
    "snap": lambda: snap(cutoff=3.4, two_j_max=4, radii={"H": 0.4, "C": 0.5, "O": 0.45}, weights=WEIGHTS),
    "qsnap": lambda: qsnap(cutoff=3.3, two_j_max=3),
    "snap_nn": lambda: snap_nn(cutoff=3.2, two_j_max=4, hidden=(7, 5)),
    "ace": lambda: ace(cutoff=3.5, n_max=[5, 3, 2], l_max=[0, 2, 1], degree=None),
    "mtp": lambda: mtp(cutoff=3.4, level=8, n_radial=5),
    "gap": lambda: gap(cutoff=3.4, n_max=3, l_max=2, n_points=9, two_body=TwoBodyKernel(cutoff=3.2, n_points=6)),
    "gap with triangles": lambda: gap(
        cutoff=3.3,
        n_max=2,
        l_max=3,
        n_points=7,
        zeta=2.5,
        envelope=CosineEnvelope(inner_fraction=0.3),
        two_body=TwoBodyKernel(cutoff=3.0, n_points=5, envelope=PolynomialEnvelope(order=3, inner_fraction=0.21)),
        three_body=ThreeBodyKernel(cutoff=2.8, n_points=4, envelope=ExponentialEnvelope(inner_fraction=0.1)),
    ),
    "hdnnp": lambda: hdnnp(cutoff=3.6, n_radial=4, n_angular=2, zetas=(1, 2.5), hidden=(6, 5)),
    "ani": lambda: ani(descriptor=shells(), hidden=(6, 5), activation="celu"),
    "ani whitened": lambda: ani(descriptor=shells(zeta=8.0, elements=["O", "N", "H", "C"]), whitening=0.1),
    "wacsf": lambda: wacsf(cutoff=3.6, n_radial=3, n_angular=2, hidden=(6, 4)),
}


def shells(**others) -> AEV:
    return AEV(cutoff=3.4, n_radial=3, eta=3.0, angular_cutoff=2.9, n_shells=2, angular_eta=2.0, n_angles=3, **others)


def labelled() -> Dataset:
    return dataset().map(lambda s: replace(s, energy=-1.5 * len(s) - 0.7 * int((s.atoms.numbers == 8).sum())))


def close_by() -> list:
    """Structures tighter than any of the training set, where the repulsion acts."""
    found = []
    for atoms in usual_atoms():
        tight = atoms.copy()
        tight.positions *= 0.8
        tight.cell = 0.8 * tight.cell.array
        tight.rattle(0.02, seed=3)
        found.append(tight)
    return found


def made(name: str, seed: int = 0) -> Potential:
    """A recipe's potential, its repulsion free, with shifts of the elements beside it."""
    torch.manual_seed(seed)
    potential, _ = RECIPES[name]()
    potential = potential + ElementShifts()
    potential.setup(labelled())
    potential = shake(potential)
    with torch.no_grad():
        for p in potential.parameters():
            p.mul_(1 + 0.01 * seed)
    return potential


@pytest.mark.parametrize("name", names())
def test_every_compiled_term_is_the_potential(name, tmp_path):
    s = subject(name)
    if not len(s.potential.elements):
        s.potential.setup(dataset(s.atoms))
    if not_compiled(s.potential) or not any(list(m.terms()) for m in members(s.potential)):
        pytest.skip("no compiled form")
    require_same(s.potential, list(s.atoms), tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_with_repulsion_and_shifts(name, tmp_path):
    potential = made(name)
    deployed = require_same(potential, [*usual_atoms(), *close_by()], tmp_path)
    assert deployed.elements == ["H", "C", "O"]
    assert "ZBL" in deployed.summary
    assert "ElementShifts" in deployed.summary
