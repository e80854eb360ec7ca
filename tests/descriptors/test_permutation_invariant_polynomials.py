"""PIPs against sums written out by hand, and what they refuse."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.descriptors.permutation_invariant_polynomials import PermutationInvariantPolynomials
from cambrian.errors import UserError
from cambrian.graph import batch, graph_of


def test_water_by_hand():
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=4)
    descriptor = PermutationInvariantPolynomials(degree=2, length=1.1)
    descriptor.setup(Dataset([Structure(atoms)]))
    oxygen, *hydrogens = np.argsort(-atoms.numbers, kind="stable")
    y = np.exp(-atoms.get_all_distances() / 1.1)
    a, b, c = y[oxygen, hydrogens[0]], y[oxygen, hydrogens[1]], y[hydrogens[0], hydrogens[1]]
    expected = [c, a + b, c**2, c * a + c * b, a**2 + b**2, a * b]
    found = descriptor.features(graph_of(atoms, descriptor.cutoff)).numpy()[0]
    assert descriptor.n_features == 6
    np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-13)


def test_batches_mix_orders_of_atoms():
    descriptor = PermutationInvariantPolynomials.example()
    water = molecule("H2O")
    water.rattle(0.1, seed=1)
    molecules = [water[order] for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2])]
    features = descriptor.features(batch([graph_of(a, descriptor.cutoff) for a in molecules])).numpy()
    np.testing.assert_allclose(features, features[:1].repeat(3, axis=0), rtol=1e-13)


def test_data_that_are_not_one_molecule_are_refused():
    descriptor = PermutationInvariantPolynomials(degree=2)
    with pytest.raises(UserError, match=r"2 compositions \(H2O, CH4\)"):
        descriptor.setup(Dataset([Structure(molecule("H2O")), Structure(molecule("CH4"))]))
    with pytest.raises(UserError, match="is periodic"):
        descriptor.setup(Dataset([Structure(bulk("Si"))]))
    with pytest.raises(UserError, match="degree of at least 1"):
        PermutationInvariantPolynomials(degree=0)


@pytest.mark.parametrize("other", [molecule("SH2"), molecule("OH"), molecule("H2O") + molecule("H2O")])
def test_other_molecules_are_refused(other):
    other.positions[3:] += 3.0
    descriptor = PermutationInvariantPolynomials.example()
    with pytest.raises(UserError, match="knows H2O alone"):
        descriptor.features(graph_of(other, descriptor.cutoff))


def test_a_single_atom_has_no_distances():
    descriptor = PermutationInvariantPolynomials(degree=3)
    descriptor.setup(Dataset([Structure(Atoms("O"))]))
    assert descriptor.n_features == 0
