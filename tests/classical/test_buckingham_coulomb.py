"""Buckingham with charges against stock LAMMPS, and its guard inside the barrier."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from lammps_runs import single_point
from pair_structures import assert_equals_lammps, assert_forces_are_slopes, cluster, skewed
from scipy.special import erfc

from cambrian.classical.buckingham_coulomb import BuckinghamCoulomb
from cambrian.contracts import evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.truncation import ForceShifted, Plain
from cambrian.units import COULOMB

BKS = {  # van Beest, Kramer, van Santen 1990
    "strength": {"Si": 0.0, "Si-O": 18003.7572, "O": 1388.7730},
    "rate": {"Si": 1.0, "Si-O": 4.87318, "O": 2.76},
    "dispersion": {"Si": 0.0, "Si-O": 133.5381, "O": 175.0},
}
CHARGES = {"Si": 2.4, "O": -1.2}
# types are numbered by atomic number: 1 is O, 2 is Si; LAMMPS takes A, 1/B, C
LINES = [
    f"pair_coeff 1 1 1388.7730 {1 / 2.76:.17g} 175.0",
    f"pair_coeff 1 2 18003.7572 {1 / 4.87318:.17g} 133.5381",
    "pair_coeff 2 2 0.0 1.0 0.0",
]
SILICA = [skewed("Si2O6", length=6.0, rattle=0.1), skewed("Si2O6", length=6.0, rattle=0.1, sign=-1)]
MOLECULE = cluster("Si2O3", spacing=2.6)


def q_of(atoms):
    return np.array([CHARGES[s] for s in atoms.get_chemical_symbols()])


@pytest.mark.parametrize("atoms", [*SILICA, MOLECULE], ids=["triclinic", "left-handed", "cluster"])
def test_buck_equals_lammps(atoms):
    potential = BuckinghamCoulomb(**BKS, cutoff=8.0, truncation=Plain())
    assert_equals_lammps(potential, atoms, single_point(atoms, ["pair_style buck 8.0", *LINES]))
    form = potential.lammps()
    assert form.style == "buck 8"
    assert [float(w) for w in form.coefficients["O", "Si"].split()] == pytest.approx(
        [18003.7572, 1 / 4.87318, 133.5381]
    )


def charges_alone(atoms, lines) -> tuple:
    """LAMMPS with charges only, scaled to our value of the Coulomb constant."""
    return single_point(atoms, lines, charges=q_of(atoms))


def test_direct_sum_equals_lammps():
    potential = BuckinghamCoulomb(**BKS, charges=CHARGES, cutoff=30.0, truncation=Plain())
    short = single_point(MOLECULE, ["pair_style buck 30.0", *LINES])
    coulomb = charges_alone(MOLECULE, ["pair_style coul/cut 30.0", "pair_coeff * *"])
    together = charges_alone(MOLECULE, ["pair_style buck/coul/cut 30.0", *LINES])
    assert together.energy == pytest.approx(short.energy + coulomb.energy, rel=1e-12)
    factor = COULOMB / coulomb.coulomb
    p = evaluate(potential, graph_of(MOLECULE, 30.0))
    assert p.energy.item() == pytest.approx(short.energy + factor * coulomb.energy, rel=1e-10)
    np.testing.assert_allclose(
        p.forces, short.forces + factor * coulomb.forces, atol=1e-10 * np.abs(short.forces).max()
    )


@pytest.mark.parametrize("atoms", SILICA, ids=["triclinic", "left-handed"])
def test_damped_shifted_force_equals_lammps(atoms):
    """LAMMPS adds the constant self energy -(erfc(α rc)/2rc + α/√π) k q² of each ion, which is not in ours."""
    alpha, cutoff = 0.2, 8.0
    nothing = dict.fromkeys(("strength", "dispersion"), 0.0)
    potential = BuckinghamCoulomb(**nothing, rate=1.0, charges=CHARGES, cutoff=cutoff, damping=alpha)
    run = charges_alone(atoms, [f"pair_style coul/dsf {alpha} {cutoff}", "pair_coeff * *"])
    edge = 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * cutoff) ** 2))
    shift = 2 * erfc(alpha * cutoff) / cutoff + edge
    own = (shift / 2 + alpha / np.sqrt(np.pi)) * COULOMB * (q_of(atoms) ** 2).sum()
    p = evaluate(potential, graph_of(atoms, cutoff))
    factor = COULOMB / run.coulomb
    # LAMMPS approximates erfc by a polynomial with an error of 1.5e-7
    np.testing.assert_allclose(p.forces, factor * run.forces, atol=3e-6 * np.abs(run.forces).max())
    np.testing.assert_allclose(p.stress[0], factor * run.stress, atol=3e-6 * np.abs(run.stress).max())
    assert p.energy.item() == pytest.approx(factor * run.energy + own, abs=1e-6 * own)


def test_madelung_constant_of_rock_salt():
    """With the self energy put back, the damped shifted sum nears the Madelung energy as the cutoff grows."""
    atoms, alpha, cutoff = bulk("NaCl", "rocksalt", a=2.0), 0.5, 12.0
    nothing = dict.fromkeys(("strength", "dispersion"), 0.0)
    potential = BuckinghamCoulomb(**nothing, rate=1.0, charges={"Na": 1.0, "Cl": -1.0}, cutoff=cutoff, damping=alpha)
    edge = 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * cutoff) ** 2))
    shift = 2 * erfc(alpha * cutoff) / cutoff + edge
    own = 2 * COULOMB * (shift / 2 + alpha / np.sqrt(np.pi))
    energy = evaluate(potential, graph_of(atoms, cutoff)).energy.item() - own
    assert -energy / COULOMB == pytest.approx(1.7475645946, abs=1e-6)


def test_guard_repels_where_the_barrier_was():
    potential = BuckinghamCoulomb(**BKS, charges=CHARGES, cutoff=10.0)
    distances = np.linspace(0.01, 3.0, 150)
    for pair, guard in zip(("O2", "SiO"), potential.table()["guard"].tolist(), strict=False):
        force = []
        for r in distances:
            p = evaluate(potential, graph_of(Atoms(pair, positions=[[0, 0, 0], [0, 0, r]]), 10.0))
            force.append(p.forces[1, 2].item())
        force = np.array(force)
        inside = distances < guard
        assert inside.sum() > 10
        assert np.ptp(force[inside]) < 1e-9 * force.max()
        assert force[0] == pytest.approx(force.max(), rel=1e-9)
        assert force[0] > 1


def test_guard_is_smooth_and_differentiable():
    potential = BuckinghamCoulomb(**BKS, charges=CHARGES, cutoff=10.0)
    guard = potential.table()["guard"]
    assert (guard[:2] > 0.5).all()
    assert guard[2] == 0  # like charges without dispersion: no barrier

    def curvature(r: float) -> float:
        forces = []
        for side in (-1e-5, 1e-5):
            atoms = Atoms("O2", positions=[[0, 0, 0], [0, 0, r + side]])
            forces.append(evaluate(potential, graph_of(atoms, 10.0)).forces[1, 2].item())
        return (forces[0] - forces[1]) / 2e-5

    at = guard[0].item()
    assert abs(curvature(at + 1e-3) - curvature(at - 1e-3)) < 1.0
    assert_forces_are_slopes(potential, cluster("Si2O3", spacing=1.1))


def test_slopes_of_the_parameters_inside_the_guard():
    atoms = Atoms("O2", positions=[[0, 0, 0], [0, 0, 0.9]])
    potential = BuckinghamCoulomb(strength=1388.773, rate=2.76, dispersion=175.0, cutoff=8.0)
    assert potential.table()["guard"].item() > 0.9

    def force(step: float) -> torch.Tensor:
        with torch.no_grad():
            potential.log_rate += step
        p = evaluate(potential, graph_of(atoms, 8.0), training=True)
        with torch.no_grad():
            potential.log_rate -= step
        return p.forces[1, 2]

    (slope,) = torch.autograd.grad(force(0.0), potential.log_rate)
    numeric = (force(1e-5) - force(-1e-5)).item() / 2e-5
    assert slope.item() == pytest.approx(numeric, rel=1e-7)


def test_partial_sums_of_charges_are_refused():
    plain = BuckinghamCoulomb(**BKS, charges=CHARGES, cutoff=3.0, truncation=Plain())
    with pytest.raises(UserError, match="converges conditionally"):
        evaluate(plain, graph_of(SILICA[0], 3.0))
    with pytest.raises(UserError, match="needs every pair"):
        evaluate(plain, graph_of(MOLECULE, 3.0))
    with pytest.raises(UserError, match="no entry for Si"):
        BuckinghamCoulomb(**BKS, charges={"O": -1.0})


def test_first_guess_is_at_rest():
    pair = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]])
    for charges in ({"Na": 1.0, "Cl": -1.0}, None):
        potential = BuckinghamCoulomb(charges=charges, cutoff=200.0, truncation=ForceShifted())
        potential.setup(Dataset([Structure(pair)]))
        p = evaluate(potential, graph_of(pair, 200.0))
        assert p.forces.abs().max() < 1e-3
        assert p.energy.item() < 0
