"""The kernel against stock LAMMPS: features, their derivatives, and a whole potential's energy and forces."""

from itertools import product

import numpy as np
import pytest

N_ATOMS, LENGTH = 14, 7.0
RADIUS, WEIGHT = np.array([0.5, 0.42]), np.array([1.0, 0.7])
RCUTFAC, RFAC0, RMIN0 = 4.6, 0.99, 0.3
PARAMETERS = f"{RCUTFAC} {RFAC0}"


@pytest.fixture
def crystal():
    """Fourteen atoms of two elements in a periodic cube, none closer than 1.4 Å."""
    rng = np.random.default_rng(3)
    grid = np.array(list(product(range(3), repeat=3)))[rng.permutation(27)[:N_ATOMS]]
    return (grid + rng.uniform(-0.2, 0.2, grid.shape) + 0.5) * LENGTH / 3, rng.integers(0, 2, N_ATOMS)


def edges_of(positions, species):
    center, neighbor, r_ij = [], [], []
    for i in range(N_ATOMS):
        for j in range(N_ATOMS):
            for shift in product((-1, 0, 1), repeat=3):
                vector = positions[j] - positions[i] + LENGTH * np.array(shift)
                if 0 < np.linalg.norm(vector) < RCUTFAC:
                    center.append(i)
                    neighbor.append(j)
                    r_ij.append(vector)
    center, neighbor, r_ij = np.array(center), np.array(neighbor), np.array(r_ij)
    first = np.concatenate([[0], np.cumsum(np.bincount(center, minlength=N_ATOMS))])
    cutoff = RCUTFAC * (RADIUS[species[center]] + RADIUS[species[neighbor]])
    return center, neighbor, (first, r_ij, cutoff, WEIGHT[species[neighbor]])


@pytest.fixture
def engine(lammps, crystal):
    positions, species = crystal
    engine = lammps()
    engine.commands_list(
        [
            "units metal",
            "atom_modify map array sort 0 0.0",
            f"region cube block 0 {LENGTH} 0 {LENGTH} 0 {LENGTH}",
            "create_box 2 cube",
            "mass * 1.0",
        ]
    )
    engine.create_atoms(N_ATOMS, list(range(1, N_ATOMS + 1)), (species + 1).tolist(), positions.ravel().tolist())
    yield engine
    engine.close()


def by_id(engine, values):
    return values[np.argsort(engine.numpy.extract_atom("id")[:N_ATOMS])]


@pytest.mark.parametrize("two_j_max", [2, 5, 6, 8])
def test_features_and_derivatives(kernel, engine, crystal, two_j_max):
    k = kernel(two_j_max=two_j_max, rfac0=RFAC0, rmin0=RMIN0)
    settings = f"{PARAMETERS} {two_j_max} {RADIUS[0]} {RADIUS[1]} {WEIGHT[0]} {WEIGHT[1]} rmin0 {RMIN0} bzeroflag 0"
    engine.commands_list(
        [
            f"pair_style zero {2 * RCUTFAC * RADIUS.max()}",
            "pair_coeff * *",
            f"compute b all sna/atom {settings}",
            f"compute db all snad/atom {settings}",
            "compute all_b all reduce sum c_b[*]",
            "compute all_db all reduce sum c_db[*]",
            "thermo_style custom step c_all_b[1] c_all_db[1]",
            "run 0 post no",
        ]
    )
    b, db = (by_id(engine, engine.numpy.extract_compute(name, 1, 2)[:N_ATOMS]) for name in ("b", "db"))
    center, neighbor, arrays = edges_of(*crystal)
    features, jacobian = k.jacobian(*arrays)
    np.testing.assert_allclose(features, b, rtol=1e-9)

    # snad/atom: -sum over centers of dB_i/dr_k, one block of (x, y, z) x features for the element of the center
    expected = np.zeros((N_ATOMS, 2, 3, k.n_features))
    species = crystal[1]
    np.add.at(expected, (neighbor, species[center]), -jacobian)
    np.add.at(expected, (center, species[center]), jacobian)
    np.testing.assert_allclose(expected.reshape(N_ATOMS, -1), db, atol=1e-9 * abs(db).max())


@pytest.mark.parametrize("two_j_max", [6, 8])
def test_pair_style_snap(kernel, engine, crystal, tmp_path, two_j_max):
    k = kernel(two_j_max=two_j_max, rfac0=RFAC0, rmin0=RMIN0)
    coefficients = np.random.default_rng(4).normal(size=(2, k.n_features + 1))
    elements = [
        f"{name} {radius} {weight}\n" + "\n".join(map(repr, row.tolist()))
        for name, radius, weight, row in zip(("A", "B"), RADIUS, WEIGHT, coefficients, strict=True)
    ]
    (tmp_path / "x.snapcoeff").write_text(f"2 {k.n_features + 1}\n" + "\n".join(elements) + "\n")
    (tmp_path / "x.snapparam").write_text(
        f"rcutfac {RCUTFAC}\ntwojmax {two_j_max}\nrfac0 {RFAC0}\nrmin0 {RMIN0}\nbzeroflag 0\nquadraticflag 0\n"
    )
    engine.commands_list(
        [
            "pair_style snap",
            f"pair_coeff * * {tmp_path}/x.snapcoeff {tmp_path}/x.snapparam A B",
            "compute each all pe/atom",
            "compute sum all reduce sum c_each",
            "thermo_style custom step pe c_sum",
            "run 0 post no",
        ]
    )
    each = by_id(engine, engine.numpy.extract_compute("each", 1, 1)[:N_ATOMS])
    forces = by_id(engine, engine.numpy.extract_atom("f")[:N_ATOMS])
    center, neighbor, arrays = edges_of(*crystal)
    species = crystal[1]
    energies, pull = k.energies_and_pull(*arrays, np.ascontiguousarray(coefficients[:, 1:]), species)
    np.testing.assert_allclose(energies + coefficients[species, 0], each, rtol=1e-9, atol=1e-9 * abs(each).max())
    expected = np.zeros((N_ATOMS, 3))
    np.add.at(expected, center, pull)
    np.add.at(expected, neighbor, -pull)
    np.testing.assert_allclose(expected, forces, atol=1e-9 * abs(forces).max())
