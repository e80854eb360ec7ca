"""The trigger by sparse points: nothing at the points themselves, much far from them, and who has none is refused."""

import pytest
from small_data import argon

from cambrian.contracts import DescriptorPotential, Trigger
from cambrian.contracts.catalogue import classes
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.learn.unlikeness import Unlikeness
from cambrian.recipes.flare import flare
from cambrian.regressors.linear import LinearRegressor


def structures(n: int, **how) -> Dataset:
    return Dataset([Structure(atoms, energy=atoms.get_potential_energy()) for atoms in argon(n, size=1, **how)])


def test_points_are_like_themselves_and_the_unknown_is_not():
    known = structures(3)
    potential, _ = flare(n_max=4, l_max=2, n_points=12)
    potential.setup(known)
    measure = Unlikeness().measure(potential, known)
    assert all(float(measure(graph_of(s.atoms, 5.0)).max()) < 1e-4 for s in known)
    near = structures(1, seed=3)[0].atoms
    pressed = near.copy()
    pressed.set_cell(0.8 * near.cell.array, scale_atoms=True)
    values = [float(measure(graph_of(atoms, 5.0)).max()) for atoms in (near, pressed)]
    assert 1e-4 < values[0] < values[1] <= 1


def test_who_has_no_points_is_refused():
    known = structures(3)
    potential = DescriptorPotential(SOAP(n_max=2, l_max=1), LinearRegressor())
    potential.setup(known)
    with pytest.raises(UserError, match="sparse kernels"):
        Unlikeness().measure(potential, known)


def test_the_catalogue_knows_it():
    assert "Unlikeness" in classes(Trigger)
