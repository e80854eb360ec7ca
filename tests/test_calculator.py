"""The ASE calculator against ASE's own Lennard-Jones, its cache, its refusals and what a committee adds."""

import io

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones as Reference
from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.io.trajectory import Trajectory
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from cambrian.calculator import Calculator
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import Committee, Potential, Terms, evaluate, save, uncertainty
from cambrian.errors import UserError
from cambrian.graph import graph_of, sum_over_neighbors


class Pair(Potential):
    """Lennard-Jones shifted to zero at the cutoff, as ASE has it; total charge and spin leave a mark."""

    def __init__(self, epsilon: float = 0.01, sigma: float = 2.2, cutoff: float = 5.0, z: int = 18):
        super().__init__()
        self.epsilon, self.sigma, self.cutoff = epsilon, sigma, cutoff
        self.elements = torch.tensor([z])
        self.n_calls = 0

    def forward(self, graph):
        self.n_calls += 1
        ratio = (self.sigma**2 / (graph.r_ij**2).sum(-1)) ** 3
        at_cutoff = (self.sigma / self.cutoff) ** 6
        pair = 4 * self.epsilon * (ratio**2 - ratio - at_cutoff**2 + at_cutoff)
        energies = 0.5 * sum_over_neighbors(pair, graph)
        charge = graph.total_charge[graph.structure]
        charges = charge / graph.atoms_per_structure[graph.structure]
        return Terms.of_atoms(energies + charge + 10 * graph.spin[graph.structure], graph, charges=charges)

    @classmethod
    def example(cls):
        return cls()


def argon(rattle=0.1, pbc=True, seed=0):
    atoms = bulk("Ar", "fcc", a=3.6, cubic=True).repeat((2, 1, 1))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.05 * np.random.default_rng(seed).normal(size=(3, 3))), True)
    atoms.rattle(rattle, seed=seed)
    atoms.pbc = pbc
    return atoms


@pytest.mark.parametrize("pbc", [True, False, (True, False, True)])
@pytest.mark.parametrize("skin", [0.0, 0.5])
def test_equals_the_lennard_jones_of_ase(pbc, skin):
    atoms, reference = argon(pbc=pbc), argon(pbc=pbc)
    atoms.calc = Calculator(Pair(), skin=skin)
    reference.calc = Reference(epsilon=0.01, sigma=2.2, rc=5.0)
    for _ in range(3):
        assert atoms.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-10)
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
        np.testing.assert_allclose(atoms.get_forces(), reference.get_forces(), atol=1e-10)
        np.testing.assert_allclose(atoms.get_potential_energies(), reference.get_potential_energies(), atol=1e-10)
        if atoms.pbc.all():
            np.testing.assert_allclose(atoms.get_stress(), reference.get_stress(), atol=1e-12)
        step = np.random.default_rng(1).normal(scale=0.2, size=(len(atoms), 3))
        atoms.positions += step
        reference.positions += step


@pytest.mark.parametrize("pbc", [False, (True, True, False)])
def test_stress_needs_three_periodic_directions(pbc):
    atoms = argon(pbc=pbc)
    atoms.calc = Calculator(Pair())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    assert np.isfinite(atoms.get_potential_energy())


def test_results_are_computed_once_for_one_state():
    potential = Pair()
    atoms = argon()
    atoms.calc = Calculator(potential)
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energies()
    assert potential.n_calls == 1
    atoms.set_initial_charges(np.ones(len(atoms)))  # not read by a potential
    atoms.get_forces()
    assert potential.n_calls == 1
    for change in (
        lambda: atoms.rattle(1e-6),
        lambda: atoms.set_cell(1.001 * atoms.cell.array),
        lambda: setattr(atoms, "pbc", (True, True, False)),
        lambda: atoms.pop(0),
        lambda: atoms.info.update(total_charge=1),
        lambda: atoms.info.update(spin=2),
    ):
        before = potential.n_calls
        change()
        atoms.get_forces()
        assert potential.n_calls == before + 1


def test_results_handed_out_are_copies():
    atoms = argon()
    atoms.calc = Calculator(Pair())
    forces = atoms.get_forces()
    forces[:] = 0
    assert np.abs(atoms.get_forces()).max() > 0


def test_charge_and_spin_come_from_info():
    atoms = argon()
    atoms.calc = Calculator(Pair())
    neutral = atoms.get_potential_energy()
    atoms.info.update(charge=-1, multiplicity=3)
    assert atoms.get_potential_energy() == pytest.approx(neutral - len(atoms) + 20 * len(atoms))
    np.testing.assert_allclose(atoms.get_charges(), -1 / len(atoms))


def test_a_potential_without_charges_or_dipole_says_so():
    atoms = Atoms("CO", [[0, 0, 0], [0, 0, 1.1]])
    atoms.calc = Calculator(IsolatedAtoms.example())
    assert atoms.get_potential_energy() == -3068.0
    for ask in (atoms.get_charges, atoms.get_dipole_moment):
        with pytest.raises(PropertyNotImplementedError):
            ask()


def test_refusals_name_the_atom():
    calculator = Calculator(Pair())
    strange = argon()
    strange.numbers[3] = 29
    with pytest.raises(UserError, match="atom 3 is Cu"):
        calculator.get_potential_energy(strange)
    atoms = argon()
    atoms.positions[5] = atoms.positions[2]
    with pytest.raises(UserError, match="atoms 2 .* 5 .*one place"):
        calculator.get_potential_energy(atoms)
    atoms = argon()
    atoms.calc = calculator
    good = atoms.get_potential_energy()
    atoms.positions[0] = np.nan
    with pytest.raises(UserError, match="atom 0 is not a finite"):
        atoms.get_potential_energy()
    atoms = argon()
    assert calculator.get_potential_energy(atoms) == good  # a refusal leaves nothing stale behind


def test_from_a_file(tmp_path):
    path = save(IsolatedAtoms.example(), tmp_path / "potential.safetensors")
    for place in (path, str(path)):
        assert Calculator(place).get_potential_energy(Atoms("H2", [[0, 0, 0], [0, 0, 0.7]])) == -27.2
    with pytest.raises(UserError, match="no model file"):
        Calculator(tmp_path / "nothing.safetensors")


def test_a_committee_gives_mean_and_spread():
    members = [Pair(0.01), Pair(0.012), Pair(0.015, 2.3, 4.5)]
    committee = Committee(members)
    atoms = argon()
    atoms.calc = Calculator(committee)
    truth = evaluate(committee, graph_of(atoms, 5.0))
    assert atoms.get_potential_energy() == pytest.approx(float(truth.energy[0]), abs=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), truth.forces, atol=1e-12)
    singles = [Calculator(m) for m in members]
    energies = [c.get_potential_energy(atoms) for c in singles]
    forces = np.array([c.get_forces(atoms) for c in singles])
    results = atoms.calc.results
    assert results["energy_std"] == pytest.approx(np.std(energies), abs=1e-12)
    np.testing.assert_allclose(results["forces_std"], np.sqrt(forces.var(axis=0).sum(axis=1)), atol=1e-12)
    spread = uncertainty(committee, graph_of(atoms, 5.0))
    np.testing.assert_allclose(results["forces_std"], spread.forces, atol=1e-12)
    assert "energy" in atoms.calc.export_properties()


def test_serves_the_writers_and_movers_of_ase(tmp_path):
    atoms = argon(rattle=0.05)
    atoms.calc = Calculator(Pair())
    atoms.get_forces()
    buffer = io.StringIO()
    write(buffer, atoms, format="extxyz")
    again = read(io.StringIO(buffer.getvalue()), format="extxyz")
    assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    with Trajectory(tmp_path / "t.traj", "w") as trajectory:
        trajectory.write(atoms)
    assert read(tmp_path / "t.traj").get_potential_energy() == atoms.get_potential_energy()
    with BFGS(FrechetCellFilter(atoms), logfile=None) as optimizer:
        assert optimizer.run(fmax=1e-4, steps=200)
    assert np.abs(atoms.get_stress()).max() < 1e-4


def test_dynamics_conserves_energy_and_rebuilds_rarely():
    atoms = argon(rattle=0.0).repeat((1, 2, 2))
    atoms.set_momenta(np.random.default_rng(0).normal(size=(len(atoms), 3)))
    atoms.calc = Calculator(Pair())
    start = atoms.get_total_energy()
    VelocityVerlet(atoms, 2 * units.fs).run(100)
    assert atoms.get_total_energy() == pytest.approx(start, abs=2e-5 * len(atoms))
    assert atoms.calc._neighbors.n_builds < 15
