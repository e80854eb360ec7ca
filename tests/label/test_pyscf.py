"""PySCF's labels against direct calls of PySCF, derivatives of energies, and what must be refused."""

import importlib.util

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from cambrian.errors import MissingExtraError, UserError
from cambrian.label import label
from cambrian.label.pyscf import PySCF
from cambrian.label.pyscf_pbc import PeriodicPySCF
from cambrian.units import BOHR, HARTREE

DEBYE = 0.20819434  # e Å
pytestmark = pytest.mark.skipif(importlib.util.find_spec("pyscf") is None, reason="needs pyscf")
dispersion = pytest.mark.skipif(importlib.util.find_spec("pyscf.dispersion") is None, reason="needs pyscf-dispersion")


def water():
    atoms = molecule("H2O")
    atoms.positions[0, 2] += 0.05
    return atoms


def oxygen():
    return Atoms("O2", [[0, 0, 0], [0.1, 0, 1.25]])


def assert_forces_are_derivatives(labeller, atoms, atom, axis, *, spin=0.0, step=5e-4):
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step
        energies.append(labeller.label(moved, spin=spin).energy)
    force = labeller.label(atoms, spin=spin).forces[atom, axis]
    assert abs(force) > 0.1
    assert force == pytest.approx((energies[1] - energies[0]) / (2 * step), abs=5e-5)


def direct(atoms, spin=0):
    from pyscf import gto

    rows = list(zip(atoms.symbols, atoms.positions / BOHR, strict=True))
    return gto.M(atom=rows, unit="Bohr", basis="sto-3g", spin=spin, verbose=0)


def test_hartree_fock_equals_a_direct_call():
    from pyscf import scf

    field = scf.RHF(direct(water())).run(conv_tol=1e-12)
    s = PySCF(method="HF", basis="STO-3G").label(water())
    assert s.energy == pytest.approx(field.e_tot * HARTREE, abs=1e-6)
    np.testing.assert_allclose(s.forces, -field.nuc_grad_method().kernel() * HARTREE / BOHR, atol=1e-4)
    assert (s.level, s.stress) == ("HF/STO-3G (PySCF)", None)
    assert s.charges.sum() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(s.dipole, field.dip_moment(unit="Debye", verbose=0) * DEBYE, atol=1e-5)
    assert s.dipole[2] < -0.3  # from O to the hydrogens, which stand below


def test_density_functional_equals_a_direct_call():
    from pyscf import dft

    field = dft.RKS(direct(water()), xc="b3lyp").run(conv_tol=1e-11)
    s = PySCF(xc="B3LYP", basis="STO-3G").label(water())
    assert s.energy == pytest.approx(field.e_tot * HARTREE, abs=1e-6)
    np.testing.assert_allclose(s.forces, -field.nuc_grad_method().kernel() * HARTREE / BOHR, atol=5e-3)
    assert s.level == "B3LYP/STO-3G (PySCF)"


def test_triplet_oxygen_is_unrestricted_and_lower():
    from pyscf import scf

    field = scf.UHF(direct(oxygen(), spin=2)).run(conv_tol=1e-12)
    labeller = PySCF(method="HF", basis="STO-3G")
    triplet = labeller.label(oxygen(), spin=2)
    assert triplet.energy == pytest.approx(field.e_tot * HARTREE, abs=1e-5)
    assert triplet.energy < labeller.label(oxygen()).energy - 1
    restricted = PySCF(method="HF", basis="STO-3G", open_shell="restricted")
    assert restricted.label(oxygen(), spin=2).energy > triplet.energy + 1e-3  # fewer variables, higher energy
    assert "restricted open shell" in restricted.level


@pytest.mark.parametrize("settings", [{"method": "HF"}, {"method": "MP2", "freeze_core": True}, {"method": "CCSD(T)"}])
def test_forces_of_wave_functions_are_derivatives(settings):
    assert_forces_are_derivatives(PySCF(basis="STO-3G", **settings), water(), 0, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"xc": "PBE"},
        {"xc": "PBE", "auxiliary_basis": "auto"},
        {"xc": "r2SCAN"},
        {"method": "CCSD"},
        {"method": "CCSD(T)", "freeze_core": True},
        pytest.param({"xc": "PBE0-D3BJ"}, marks=dispersion),
    ],
)
def test_forces_of_more_methods_are_derivatives(settings):
    assert_forces_are_derivatives(PySCF(basis="STO-3G", **settings), water(), 0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"method": "MP2"}, {"method": "CCSD"}, {"xc": "PBE", "open_shell": "restricted"}])
def test_forces_of_open_shells_are_derivatives(settings):
    atoms = Atoms("NH2", [[0, 0, 0], [0, 0.8, 0.65], [0, -0.8, 0.6]])
    assert_forces_are_derivatives(PySCF(basis="STO-3G", **settings), atoms, 0, 2, spin=1)


def test_correlation_energies_equal_direct_calls():
    from pyscf import cc, mp, scf

    field = scf.RHF(direct(water())).run(conv_tol=1e-12)
    cluster = cc.CCSD(field).run(conv_tol=1e-10)
    expected = {"MP2": mp.MP2(field).run().e_tot, "CCSD": cluster.e_tot, "CCSD(T)": cluster.e_tot + cluster.ccsd_t()}
    for method, energy in expected.items():
        s = PySCF(method=method, basis="STO-3G").label(water())
        assert s.energy == pytest.approx(energy * HARTREE, abs=2e-5)
        assert (s.charges, s.dipole) == (None, None)  # those of Hartree-Fock are not of this level
    hydrogen = PySCF(method="CCSD(T)", basis="STO-3G").label(Atoms("H"), spin=1)
    assert hydrogen.energy == pytest.approx(PySCF(method="HF", basis="STO-3G").label(Atoms("H"), spin=1).energy)


@dispersion
def test_dispersion_comes_with_the_name_of_the_functional():
    far = Atoms("He2", [[0, 0, 0], [0, 0, 4.0]])
    energies = [PySCF(xc=xc, basis="STO-3G").label(far).energy for xc in ("PBE", "PBE-D3BJ")]
    assert -1e-2 < energies[1] - energies[0] < -1e-5


def test_what_pyscf_cannot_do_is_refused_in_words():
    odd = molecule("OH")
    cases = [
        (lambda: PySCF(basis="def2-SVPP7").ready(), "no basis 'def2-SVPP7'"),
        (lambda: PySCF(xc="PBEE").ready(), "no functional 'PBEE'"),
        (lambda: PySCF(method="MP2", xc="PBE"), "takes no functional"),
        (lambda: PySCF(method="CCSD", auxiliary_basis="auto"), "no gradients of CCSD"),
        (lambda: PySCF(method="HF", freeze_core=True), "freeze_core goes with"),
        (lambda: PySCF(method="HF").label(odd), "9 electrons cannot have 0 unpaired"),
        (lambda: PySCF(method="CCSD(T)", basis="STO-3G").label(odd, spin=1), "open shells"),
        (lambda: PySCF().label(bulk("Si")), "periodic.*pyscf_pbc"),
        (lambda: PySCF(method="HF", basis="STO-3G", max_cycles=1).label(water()), "did not converge in 1 cycles"),
        (lambda: PySCF(method="HF", basis="def2-SVP").label(Atoms("U")), "calculation failed"),
        (lambda: PeriodicPySCF().label(water()), "periodic in three directions"),
        (lambda: PeriodicPySCF().label(bulk("Si"), spin=2), "closed shells"),
    ]
    for call, words in cases:
        with pytest.raises(UserError, match=words):
            call()


def test_missing_pyscf_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyscf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cambrian\[dft\]'"):
        PySCF().ready()


def test_failures_of_many_molecules_are_told_apart():
    labeller = PySCF(method="HF", basis="STO-3G")
    done = label([molecule("H2"), molecule("OH"), molecule("LiH")], labeller, workers=0)
    assert [str(s.atoms.symbols) for s in done.data] == ["H2", "LiH"]
    assert [(f.index, "unpaired" in f.reason) for f in done.failures] == [(1, True)]


def test_the_calculator_of_dynamics_gives_the_labels():
    atoms, labeller = molecule("H2"), PySCF(method="HF", basis="STO-3G")
    s = labeller.label(atoms, total_charge=1, spin=1)
    atoms.calc = labeller.calculator(total_charge=1, spin=1)
    assert atoms.get_potential_energy() == s.energy
    np.testing.assert_array_equal(atoms.get_forces(), s.forces)


@pytest.mark.slow
def test_crystals_have_forces_and_stress_that_are_derivatives():
    atoms = bulk("Si", a=5.4)
    atoms.positions[1] += [0.1, 0.05, -0.02]
    labeller = PeriodicPySCF(basis="gth-szv", k_points=(2, 1, 1), plane_wave_cutoff=700.0, convergence=1e-8)
    s = labeller.label(atoms)
    assert_forces_are_derivatives(labeller, atoms, 1, 2)
    energies = []
    for strain in (5e-4, -5e-4):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ np.diag([1, 1, 1 + strain]), scale_atoms=True)
        energies.append(labeller.label(strained).energy)
    assert s.stress[2, 2] == pytest.approx((energies[0] - energies[1]) / 1e-3 / atoms.get_volume(), abs=2e-5)
    assert s.level == "PBE/gth-szv/gth-pbe, 2 x 1 x 1 k-points (PySCF)"
