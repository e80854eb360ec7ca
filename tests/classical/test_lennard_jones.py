"""Lennard-Jones against stock LAMMPS, lattice sums and the global minima of clusters."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from lammps_runs import single_point
from pair_structures import assert_equals_lammps, assert_forces_are_slopes, cluster, skewed
from scipy.optimize import minimize

from cambrian.classical.lennard_jones import Geometric, LennardJones, LorentzBerthelot
from cambrian.contracts import evaluate, load, save
from cambrian.contracts.catalogue import build
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.truncation import EnergyShifted, ForceShifted, Plain

EPSILON = {"Ar": 0.0103, "Ar-Kr": 0.0122, "Kr": 0.0141}
SIGMA = {"Ar": 3.4, "Kr-Ar": 3.5, "Kr": 3.65}
COEFFICIENTS = ["pair_coeff 1 1 0.0103 3.4", "pair_coeff 1 2 0.0122 3.5", "pair_coeff 2 2 0.0141 3.65"]
STRUCTURES = [skewed(), skewed(sign=-1), cluster()]


@pytest.mark.parametrize("atoms", STRUCTURES, ids=["triclinic", "left-handed", "cluster"])
@pytest.mark.parametrize(
    ("truncation", "lines"),
    [
        (Plain(), ["pair_style lj/cut 9.0"]),
        (EnergyShifted(), ["pair_style lj/cut 9.0", "pair_modify shift yes"]),
        (ForceShifted(), ["pair_style lj/smooth/linear 9.0"]),
    ],
    ids=["plain", "energy", "force"],
)
def test_equals_lammps(atoms, truncation, lines):
    potential = LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=9.0, truncation=truncation)
    assert_equals_lammps(potential, atoms, single_point(atoms, [*lines, *COEFFICIENTS]))


@pytest.mark.parametrize(("mixing", "word"), [(LorentzBerthelot(), "arithmetic"), (Geometric(), "geometric")])
def test_mixing_equals_lammps(mixing, word):
    like = {"epsilon": {"Ar": 0.0103, "Kr": 0.0141}, "sigma": {"Ar": 3.4, "Kr": 3.65}}
    potential = LennardJones(**like, cutoff=9.0, truncation=Plain(), mixing=mixing)
    lines = ["pair_style lj/cut 9.0", f"pair_modify mix {word}", COEFFICIENTS[0], COEFFICIENTS[2]]
    assert_equals_lammps(potential, skewed(), single_point(skewed(), lines))


@pytest.mark.parametrize("truncation", [Plain(), ForceShifted()])
def test_its_words_for_lammps(truncation):
    potential = LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=9.0, truncation=truncation)
    form, types = potential.lammps(), {"Ar": 1, "Kr": 2}
    words = [f"pair_coeff {types[a]} {types[b]} {c}" for (a, b), c in form.coefficients.items()]
    assert_equals_lammps(potential, skewed(), single_point(skewed(), [f"pair_style {form.style}", *words]))
    assert LennardJones(epsilon=1.0, sigma=1.0, truncation=EnergyShifted()).lammps() is None


def test_tail_equals_lammps():
    atoms = skewed()
    lines = ["pair_style lj/cut 9.0", "pair_modify tail yes", *COEFFICIENTS]
    potential = LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=9.0, truncation=Plain())
    graph = graph_of(atoms, 9.0)
    total = evaluate(potential, graph).energy + potential.tail_energy(graph).detach()
    assert total.item() == pytest.approx(single_point(atoms, lines).energy, rel=1e-10)
    rho, s, rc = len(atoms) / atoms.get_volume(), 3.4, 9.0
    pure = LennardJones(epsilon=0.01, sigma=s, cutoff=rc, truncation=Plain())
    formula = 8 * np.pi * rho * 0.01 * s**3 / 3 * (s**9 / (3 * rc**9) - s**3 / rc**3)
    assert pure.tail_energy(graph).item() == pytest.approx(len(atoms) * formula, rel=1e-12)


def test_tail_reaches_the_lattice_sum():
    """Summed to 12 σ with its tail, the fcc lattice has E/N = 2ε [A12 (σ/d)¹² - A6 (σ/d)⁶]."""
    d, A12, A6 = 1.0902, 12.131880, 14.453921
    atoms = bulk("Ar", "fcc", a=d * np.sqrt(2))
    potential = LennardJones(epsilon=1.0, sigma=1.0, cutoff=12.0, truncation=Plain())
    graph = graph_of(atoms, 12.0)
    energy = (evaluate(potential, graph).energy + potential.tail_energy(graph).detach()).item()
    assert energy == pytest.approx(2 * (A12 / d**12 - A6 / d**6), abs=2e-4)
    assert energy == pytest.approx(-8.6102, abs=2e-4)
    repulsion = sum_of_powers(atoms, 12, 12.0)
    assert repulsion * d**12 == pytest.approx(A12, abs=2e-6)


def sum_of_powers(atoms, power: int, cutoff: float) -> float:
    return graph_of(atoms, cutoff).r_ij.norm(dim=-1).pow(-power).sum().item()


def test_minimum_of_the_fcc_lattice():
    lattice = np.linspace(1.05, 1.13, 9)
    potential = LennardJones(epsilon=1.0, sigma=1.0, cutoff=8.0, truncation=Plain())
    energies = []
    for d in lattice:
        graph = graph_of(bulk("Ar", "fcc", a=d * np.sqrt(2)), 8.0)
        energies.append((evaluate(potential, graph).energy + potential.tail_energy(graph).detach()).item())
    fit = np.polynomial.Polynomial.fit(lattice, energies, 6)
    best = minimize(lambda x: fit(x[0]), [1.09], bounds=[(1.05, 1.13)], tol=1e-12).x[0]
    assert best == pytest.approx(1.0902, abs=1e-3)


@pytest.mark.parametrize(("n_atoms", "minimum"), [(13, -44.326801)])
def test_icosahedron_of_thirteen(n_atoms, minimum):
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    shell = [np.roll(c, k) for c in corners for k in range(3)]
    positions = np.array([(0, 0, 0), *shell]) * 1.08 / np.linalg.norm(shell[0])
    atoms = Atoms(f"Ar{n_atoms}", positions=positions)
    potential = LennardJones(epsilon=1.0, sigma=1.0, cutoff=20.0, truncation=Plain())

    def energy_and_slope(x):
        atoms.positions = x.reshape(-1, 3)
        p = evaluate(potential, graph_of(atoms, 20.0))
        return p.energy.item(), -p.forces.numpy().ravel()

    found = minimize(energy_and_slope, positions.ravel(), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert found.fun == pytest.approx(minimum, abs=1e-6)


def test_forces_are_slopes():
    assert_forces_are_slopes(LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=9.0), skewed())


def test_depth_and_place_of_the_minimum():
    potential = LennardJones(epsilon=0.3, sigma=2.0, cutoff=20.0, truncation=Plain())
    pair = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.0 * 2 ** (1 / 6)]])
    p = evaluate(potential, graph_of(pair, 20.0))
    assert p.energy.item() == pytest.approx(-0.3, rel=1e-14)
    assert p.forces.abs().max() < 1e-12


def test_alone_or_without_neighbors():
    for atoms in (Atoms("Ar"), Atoms("ArKr", positions=[[0, 0, 0], [0, 0, 30.0]])):
        p = evaluate(LennardJones(epsilon=EPSILON, sigma=SIGMA), graph_of(atoms, 8.0))
        assert p.energy.item() == 0
        assert (p.forces == 0).all()


def test_first_guess_comes_from_the_data():
    potential = LennardJones(epsilon={"Ar": 0.5})
    potential.setup(Dataset([Structure(bulk("Ar", "fcc", a=5.0)), Structure(cluster())]))
    found = potential.by_name()
    assert found["Ar", "Ar"]["epsilon"] == pytest.approx(0.5)
    assert found["Ar", "Kr"]["epsilon"] == pytest.approx(0.1)
    assert 2.0 < found["Kr", "Kr"]["sigma"] < 6.0
    only = LennardJones()
    only.setup(Dataset([Structure(bulk("Ar", "fcc", a=5.0))]))
    assert only.by_name()["Ar", "Ar"]["sigma"] == pytest.approx(5 / np.sqrt(2) / 2 ** (1 / 6))


def test_archive_and_configuration(tmp_path):
    text = {"LennardJones": {"sigma": {"Ar": 3.4}, "mixing": {"LorentzBerthelot": {}}, "truncation": {"Plain": {}}}}
    potential = build(text)
    potential.setup(Dataset([Structure(cluster())]))
    again = load(save(potential, tmp_path / "lj.safetensors"))
    assert again.by_name() == potential.by_name()
    assert again.log_sigma.shape == (2,)
    graph = graph_of(cluster(), 8.0)
    torch.testing.assert_close(evaluate(again, graph).forces, evaluate(potential, graph).forces, rtol=0, atol=0)


def test_faults_are_said():
    with pytest.raises(UserError, match="epsilon of Ar-Kr, Kr-Kr is not known"):
        evaluate(
            LennardJones(epsilon={"Ar": 1.0}, sigma=dict.fromkeys(["Kr", "Ar", "Ar-Kr"], 3.0)), graph_of(cluster(), 8.0)
        )
    with pytest.raises(UserError, match="sigma must not be negative"):
        LennardJones(epsilon=1.0, sigma=-1.0)
    with pytest.raises(UserError, match="no chemical element"):
        LennardJones(epsilon={"Qq": 1.0})
    with pytest.raises(UserError, match="follows from the mixing rule"):
        LennardJones(epsilon=EPSILON, mixing=Geometric())
