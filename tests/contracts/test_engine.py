"""The compiled route proves itself on the first structure, on some atoms of it where it is large."""

import pytest
import torch
from ase.build import bulk

from cambrian import Dataset, LennardJones, Structure
from cambrian.contracts import engine, evaluate, predictor
from cambrian.graph import graph_of


@pytest.fixture
def pairs(monkeypatch, tmp_path):
    """A pair potential of two elements, and a crystal that holds the second one far from the beginning."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    atoms = bulk("Ar", cubic=True, a=5.3).repeat(12)
    atoms.rattle(0.1, seed=0)
    atoms.numbers[len(atoms) // 2 :] = 36
    potential = LennardJones(epsilon=0.0104, sigma=3.4, cutoff=7.0)
    potential.setup(Dataset([Structure(atoms, energy=0.0)]))
    return potential, graph_of(atoms, 7.0)


def counted(monkeypatch) -> list[int]:
    """How many atoms the truth is asked for, time after time."""
    asked = []

    def truth(potential, graph, **how):
        asked.append(graph.n_atoms)
        return evaluate(potential, graph, **how)

    monkeypatch.setattr(engine, "evaluate", truth)
    return asked


def test_a_large_structure_is_proven_on_some_atoms(pairs, monkeypatch):
    potential, graph = pairs
    monkeypatch.setattr(type(potential), "native", lambda self: lambda part: evaluate(self, part))
    asked, run = counted(monkeypatch), predictor(potential)
    found, truth = run(graph), evaluate(potential, graph)
    assert torch.allclose(found.forces, truth.forces, rtol=0, atol=1e-12)
    assert torch.allclose(found.energy, truth.energy, rtol=1e-12)
    assert len(asked) == 1
    assert asked[0] < 0.9 * graph.n_atoms
    run(graph)
    predictor(potential)(graph)
    assert len(asked) == 1  # remembered, here and on disk


def test_a_route_that_is_wrong_for_one_element_is_refused(pairs, monkeypatch):
    potential, graph = pairs

    def wrong(part):
        found = evaluate(potential, part)
        return type(found)(**{**vars(found), "forces": found.forces + 1e-3 * (part.numbers == 36)[:, None]})

    monkeypatch.setattr(type(potential), "native", lambda self: wrong)
    with pytest.raises(RuntimeError, match="disagrees with the reference by .* in forces"):
        predictor(potential)(graph)


def test_the_chosen_atoms_keep_their_energies_and_slopes(pairs):
    potential, graph = pairs
    chosen = torch.zeros(graph.n_atoms, dtype=torch.bool)
    chosen[[3, 700, 6911]] = True
    part = graph.around(chosen)
    assert int(part.owned.sum()) == 3
    assert part.n_atoms < 400
    whole = evaluate(potential, graph)
    of_part = evaluate(potential, part)
    assert torch.allclose(of_part.atomic_energies[part.owned], whole.atomic_energies[chosen], rtol=1e-13)
    assert torch.allclose(of_part.energy[0], whole.atomic_energies[chosen].sum(), rtol=1e-13)
    step = 1e-4  # Å: the energy of the three atoms by the position of a ghost, by finite differences
    ghost = int(torch.nonzero(~part.owned)[5])
    energies = []
    for sign in (1, -1):
        shift = sign * step * ((part.neighbor == ghost).double() - (part.center == ghost).double())
        r_ij = part.r_ij + shift[:, None] * torch.tensor([1.0, 0, 0])
        moved = part.with_leaves(positions=part.positions, cell=part.cell, r_ij=r_ij)
        energies.append(float(evaluate(potential, moved).energy))
    assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(float(of_part.forces[ghost, 0]), abs=1e-8)
