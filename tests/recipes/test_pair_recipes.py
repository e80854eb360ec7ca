"""Recipes of pair potentials: planted potentials are found from their data alone, and run in stock LAMMPS."""

import pytest
from ase import Atoms
from pair_structures import cluster, labelled, skewed

from cambrian.classical.buckingham_coulomb import BuckinghamCoulomb
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.morse import Morse
from cambrian.contracts.lammps import LammpsConstants, LammpsPair
from cambrian.fit import fit
from cambrian.recipes.buckingham import buckingham
from cambrian.recipes.lj import lj
from cambrian.recipes.morse import morse

REFERENCE = IsolatedAtoms({"Ar": -14000.0, "Kr": -75000.0})
CASES = {
    "lj": (lj, LennardJones(epsilon={"Ar": 0.0103, "Ar-Kr": 0.0122, "Kr": 0.0141}, sigma=3.5)),
    "morse": (morse, Morse(depth={"Ar": 0.3, "Ar-Kr": 0.5, "Kr": 0.2}, width=1.4, distance=3.2)),
    "buckingham": (
        lambda: buckingham(charges={"Ar": 0.5, "Kr": -0.5}),
        BuckinghamCoulomb(
            strength={"Ar": 900.0, "Ar-Kr": 1200.0, "Kr": 700.0},
            rate=2.9,
            dispersion=40.0,
            charges={"Ar": 0.5, "Kr": -0.5},
            damping=0.2,
            cutoff=8.0,
        ),
    ),
}
STRUCTURES = [skewed(symbols, seed=k, length=6.6) for k, symbols in enumerate(("Ar4Kr4", "ArKr7"))]
STRUCTURES += [cluster("Ar3Kr2")]


@pytest.mark.parametrize(
    "name", ["lj", pytest.param("morse", marks=pytest.mark.slow), pytest.param("buckingham", marks=pytest.mark.slow)]
)
def test_defaults_find_a_planted_potential(name):
    """At the planted θ* only the ridge λ leaves a residual, so the best fit has at most rms = λ |θ* - θ0|."""
    recipe, planted = CASES[name]
    data = labelled(REFERENCE + planted, STRUCTURES)
    potential, solver = recipe()
    potential.setup(data)
    logs = {k: v.detach().clone() for k, v in list(potential.terms())[-1].named_parameters()}
    planted.setup(data)
    away = sum((v - logs[k]).square().sum().item() for k, v in planted.named_parameters()) ** 0.5
    result = fit(potential, data, solver)
    assert result.solution.figures["weighted_rms"] <= solver.ridge * away
    assert result.n_parameters <= 3 * 3 + 2


def test_isolated_atoms_in_the_data_are_kept():
    planted = CASES["lj"][1]
    data = labelled(REFERENCE + planted, [*STRUCTURES, Atoms("Ar")])
    potential, solver = lj()
    result = fit(potential, data, solver)
    _, shifts, _ = result.potential.terms()
    assert shifts.by_element()[0] == 0
    assert shifts.shifts.shape == (1,)


@pytest.mark.parametrize("recipe", [lj, morse])
def test_every_term_has_words_for_lammps(recipe):
    potential, _ = recipe()
    potential.setup(labelled(REFERENCE + CASES["lj"][1], STRUCTURES[:1]))
    assert [type(term.lammps()) for term in potential.terms()] == [LammpsConstants, LammpsConstants, LammpsPair]
