"""Potentials of n2p2: the same numbers as n2p2 itself, there and back without loss, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.deploy.n2p2 import deploy
from cambrian.deploy.n2p2_import import import_n2p2
from cambrian.descriptors.acsf import ACSF, Narrow, Radial, Wide
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.math.envelopes import BumpEnvelope, PolynomialEnvelope
from cambrian.math.symmetry_grids import ImbalzanoShifted, Points
from cambrian.regressors.neural import NeuralRegressor
from cambrian.regressors.scaled_network import ScaledNetwork
from cambrian.units import BOHR, HARTREE

torch.set_num_threads(1)
FIXTURE = json.loads((Path(__file__).parent / "n2p2_predictions.json").read_text())
NUMBERS = {"H": 1, "C": 6, "O": 8}
REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "n2p2-reference"


def folder_of(place: Path, case: dict) -> Path:
    """The files of a case as n2p2 read them."""
    parts = FIXTURE["sets"][case["functions"]]
    lines = ["number_of_elements 3", "elements O H C", "atom_energy H -0.5", "atom_energy O -75.0"]
    lines += ["atom_energy C -37.5", "global_hidden_layers_short 2", "global_nodes_short 4 3"]
    (place / "input.nn").write_text("\n".join([*lines, *case["settings"], *parts["functions"]]))
    (place / "scaling.data").write_text("".join(" ".join(map(repr, r)) + "\n" for r in parts["statistics"]))
    for e, z in NUMBERS.items():
        (place / f"weights.{z:03d}.data").write_text("".join(f"{w!r}\n" for w in parts["weights"][e]))
    return place


def structure() -> Atoms:
    s = FIXTURE["structure"]
    return Atoms(s["symbols"], np.array(s["positions"]) * BOHR, cell=np.array(s["cell"]) * BOHR, pbc=True)


def predicted(potential: Potential, atoms: Atoms) -> tuple[float, np.ndarray]:
    atoms = atoms.copy()
    atoms.calc = Calculator(potential)
    return atoms.get_potential_energy(), atoms.get_forces()


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda c: f"{c['functions']}: {'; '.join(c['settings'])[:60]}")
def test_numbers_of_n2p2(case, tmp_path):
    energy, forces = predicted(import_n2p2(folder_of(tmp_path, case)), structure())
    scale = np.abs(case["forces"]).max()
    assert scale > 1e-6
    assert energy / HARTREE == pytest.approx(case["energy"], rel=1e-12)
    np.testing.assert_allclose(forces * BOHR / HARTREE, case["forces"], rtol=0, atol=1e-10 * max(scale, 0.01))


@pytest.mark.parametrize("case", FIXTURE["cases"][:12:3], ids=lambda c: c["settings"][0])
@pytest.mark.parametrize("units", ["Hartree, bohr", "eV, Å"])
def test_there_and_back(case, units, tmp_path):
    first = import_n2p2(folder_of(tmp_path, case))
    deploy(first, tmp_path / "out", units=units)
    second = import_n2p2(tmp_path / "out", units=units)
    (e1, f1), (e2, f2) = predicted(first, structure()), predicted(second, structure())
    assert e2 == pytest.approx(e1, rel=2e-15)
    np.testing.assert_allclose(f2, f1, rtol=0, atol=1e-13 * np.abs(f1).max())
    written = deploy(second, tmp_path / "again", units=units)
    for path in written:
        assert path.read_text() == (tmp_path / "out" / path.name).read_text()


def fitted(regressor, *others, descriptor=None) -> tuple[Potential, Atoms]:
    """A potential set up on some structures, as a fit leaves it, with weights of the usual size."""
    generator = np.random.default_rng(0)
    frames = []
    for _ in range(6):
        atoms = Atoms("H4OC2", generator.uniform(0, 4.5, (7, 3)))
        frames.append(Structure(atoms, energy=-10.0))
    sets = [
        Radial(ImbalzanoShifted(4)),
        Wide(Points([[0.1, 0.0], [0.3, 0.5]]), zetas=(1, 4)),
        Narrow(Points([[0.1, 0]])),
    ]
    descriptor = descriptor or ACSF(
        cutoff=4.0, functions=sets, envelope=PolynomialEnvelope(order=2, inner_fraction=0.2)
    )
    potential = IsolatedAtoms({"H": -13.6, "C": -1000.0, "O": -2000.0}) + DescriptorPotential(descriptor, regressor)
    for other in others:
        potential = potential + other
    potential.setup(Dataset(frames))
    return potential.eval(), frames[0].atoms


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_whitened_networks_go_out_and_come_back(activation, tmp_path):
    potential, atoms = fitted(NeuralRegressor(hidden=(6, 5), activation=activation, energy_scale=2.0))
    deploy(potential, tmp_path)
    (e1, f1), (e2, f2) = predicted(potential, atoms), predicted(import_n2p2(tmp_path), atoms)
    assert e2 == pytest.approx(e1, rel=1e-13)
    np.testing.assert_allclose(f2, f1, rtol=0, atol=1e-10 * np.abs(f1).max())


@pytest.mark.parametrize("scaling", ["none", "center", "scale", "scale_center", "sigma"])
@pytest.mark.parametrize("averaged", [False, True])
def test_elements_of_different_shape_are_filled_up(scaling, averaged, tmp_path):
    regressor = ScaledNetwork(hidden=((6, 5), (3, 2), (4, 4)), scaling=scaling, averaged=averaged, scale_range=(-1, 1))
    potential, atoms = fitted(regressor)
    deploy(potential, tmp_path, units="eV, Å")
    (e1, f1), (e2, f2) = predicted(potential, atoms), predicted(import_n2p2(tmp_path, units="eV, Å"), atoms)
    assert e2 == pytest.approx(e1, rel=1e-13)
    np.testing.assert_allclose(f2, f1, rtol=0, atol=1e-10 * np.abs(f1).max())
    if scaling != "none":
        counts = {e: (tmp_path / "input.nn").read_text().count(f"symfunction_short {e} ") for e in "HCO"}
        network = next(t for t in potential.terms() if isinstance(t, DescriptorPotential))
        assert list(counts.values()) == network.regressor.used.sum(dim=1).tolist()


def test_ranges_of_the_training_set_travel(tmp_path):
    potential, _ = fitted(NeuralRegressor(hidden=(4,)))
    deploy(potential, tmp_path)
    mine, theirs = (
        next(t for t in p.terms() if isinstance(t, DescriptorPotential)) for p in (potential, import_n2p2(tmp_path))
    )
    for name in ("lowest", "highest"):
        a, b = getattr(mine, name), getattr(theirs, name)
        torch.testing.assert_close(a.sort(dim=1).values, b.sort(dim=1).values, rtol=1e-15, atol=0)


def test_repulsion_stands_in_lammps_alone(tmp_path):
    heard: list[str] = []
    potential, _ = fitted(NeuralRegressor(hidden=(4,)), Frozen(ZBL(inner=0.5, outer=1.25)))
    deploy(potential, tmp_path, remark=heard.append)
    lines = (tmp_path / "in.lammps").read_text().splitlines()
    assert lines[2].startswith("pair_style hybrid/overlay hdnnp 4.0")
    assert lines[2].endswith(" zbl 0.5 1.25")
    assert "pair_coeff * * hdnnp H C O" in lines
    assert "pair_coeff 1 3 zbl 1 8" in lines
    assert "nnp-predict" in heard[0]
    assert "repulsion" in (tmp_path / "input.nn").read_text()


def test_lammps_gets_the_factors_of_units(tmp_path):
    potential, _ = fitted(NeuralRegressor(hidden=(4,)))
    deploy(potential, tmp_path)
    words = (tmp_path / "in.lammps").read_text().split()
    assert float(words[words.index("cflength") + 1]) == pytest.approx(1.8897261246)
    assert float(words[words.index("cfenergy") + 1]) == pytest.approx(0.0367493222)


@pytest.mark.parametrize(
    ("regressor", "change", "message"),
    [
        (NeuralRegressor(hidden=(4,), activation="silu"), {}, "silu"),
        (ScaledNetwork(hidden=((4,), (4, 4), (4,))), {}, "numbers of hidden layers"),
        (NeuralRegressor(hidden=(4,)), {"descriptor": SO4Bispectrum(cutoff=4.0, two_j_max=2)}, "SO4Bispectrum"),
        (NeuralRegressor(hidden=(4,)), {"descriptor": ACSF(cutoff=4.0, envelope=BumpEnvelope())}, "BumpEnvelope"),
    ],
)
def test_what_n2p2_cannot_hold_is_refused(regressor, change, message, tmp_path):
    potential, _ = fitted(regressor, **change)
    with pytest.raises(UserError, match=message):
        deploy(potential, tmp_path)


def test_two_networks_and_none_are_refused(tmp_path):
    potential, _ = fitted(NeuralRegressor(hidden=(4,)))
    both = potential + fitted(NeuralRegressor(hidden=(4,)))[0]
    both.elements = potential.elements
    with pytest.raises(UserError, match="this potential has two"):
        deploy(both, tmp_path)
    with pytest.raises(UserError, match="has none"):
        deploy(IsolatedAtoms.example(), tmp_path)


@pytest.fixture(scope="module")
def stated() -> dict:
    if not REFERENCE.is_dir():
        pytest.skip("the reference potentials are not here")
    return json.loads((REFERENCE / "reference-predictions.json").read_text())["predictions"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "energy", "length"), [("Cu2S_PBE", 1.0, 1.0), ("H2O_RPBE-D3", HARTREE, BOHR)])
def test_stated_predictions(stated, name, energy, length):
    units = "eV, Å" if energy == 1.0 else "Hartree, bohr"
    potential = import_n2p2(REFERENCE / "nnp-predict" / name, units=units)
    frame = next(iter(read(REFERENCE / "nnp-predict" / name / "input.data", units=units)))
    found, forces = predicted(potential, frame.atoms)
    assert found / energy == pytest.approx(stated[name]["energy"], rel=1e-13)
    np.testing.assert_allclose(forces * length / energy, stated[name]["forces"], rtol=0, atol=1e-12)
