"""AEV beside its formula written out in numpy, beside TorchANI's own numbers, and its derivatives."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from cambrian.contracts.descriptor import Descriptor
from cambrian.data import Dataset, Structure
from cambrian.descriptors.aev import AEV
from cambrian.errors import UserError
from cambrian.graph import graph_of

PEER = json.loads((Path(__file__).parent / "data" / "torchani.json").read_text())


def structure(name: str) -> Atoms:
    found = PEER["structures"][name]
    return Atoms(found["symbols"], positions=found["positions"], cell=found["cell"], pbc=found["pbc"])


def like(kind: str, elements: list[str]) -> AEV:
    return {"1x": AEV.like_1x, "2x": AEV.like_2x}[kind](elements)


@pytest.mark.parametrize("row", PEER["aev"], ids=lambda row: f"{row['kind']} {row['structure']}")
def test_numbers_of_torchani(row):
    atoms, descriptor = structure(row["structure"]), like(row["kind"], row["elements"])
    expected = np.zeros(row["features"]["shape"])
    expected[row["features"]["rows"], row["features"]["columns"]] = row["features"]["values"]
    found = descriptor.features(graph_of(atoms, descriptor.cutoff))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def by_hand(atoms: Atoms, d: AEV, elements: list[str]) -> np.ndarray:
    """The formulas at the head of the file, term by term, with the arccos."""
    i, j, r, vectors = neighbor_list("ijdD", atoms, d.cutoff)
    names, n = atoms.get_chemical_symbols(), len(elements)
    pairs = {frozenset(p): k for k, p in enumerate((a, b) for k, a in enumerate(elements) for b in elements[k:])}

    def fade(distance, cutoff):
        return 0.5 * np.cos(np.pi * distance / cutoff) + 0.5

    radial = np.zeros((len(atoms), n, len(d.shells)))
    angular = np.zeros((len(atoms), len(pairs), len(d.angular_shells), len(d.angles)))
    for a, b, distance in zip(i, j, r, strict=True):
        terms = 0.25 * np.exp(-d.eta * (distance - d.shells.numpy()) ** 2) * fade(distance, d.cutoff)
        radial[a, elements.index(names[b])] += terms
    for p, q in combinations(range(len(i)), 2):
        if i[p] != i[q] or max(r[p], r[q]) >= d.angular_cutoff:
            continue
        theta = np.arccos(0.95 * vectors[p] @ vectors[q] / (r[p] * r[q]))
        turn = 2 ** (1 - d.zeta) * (1 + np.cos(theta - d.angles.numpy())) ** d.zeta
        shell = np.exp(-d.angular_eta * ((r[p] + r[q]) / 2 - d.angular_shells.numpy()) ** 2)
        shell *= fade(r[p], d.angular_cutoff) * fade(r[q], d.angular_cutoff)
        angular[i[p], pairs[frozenset((names[j[p]], names[j[q]]))]] += shell[:, None] * turn
    return np.concatenate([radial.reshape(len(atoms), -1), angular.reshape(len(atoms), -1)], axis=1)


@pytest.mark.parametrize("name", ["amide", "crystal"])
def test_formula_term_by_term(name):
    elements = ["H", "C", "N", "O"]
    descriptor, atoms = AEV(n_radial=5, n_shells=3, n_angles=5, zeta=9.5, eta=3.0, elements=elements), structure(name)
    found = descriptor.features(graph_of(atoms, descriptor.cutoff))
    np.testing.assert_allclose(found, by_hand(atoms, descriptor, elements), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["amide", "crystal"])
def test_jacobian_is_the_derivative(name):
    descriptor = AEV(n_radial=4, n_shells=2, n_angles=3, elements=["H", "C", "N", "O"])
    graph = graph_of(structure(name), descriptor.cutoff)
    features, jacobian = descriptor.jacobian(graph)
    expected, by_differentiation = Descriptor.jacobian(descriptor, graph)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(jacobian, by_differentiation, rtol=0, atol=1e-12)


def test_straight_and_folded_angles_have_derivatives():
    """At 0 and 180 degrees the arccos has none; the form used here has."""
    line = Atoms("COO", positions=[[0, 0, 0], [0, 0, 1.2], [0, 0, -1.2]])
    graph = graph_of(line, 5.2)
    descriptor = AEV(elements=["C", "O"])
    assert torch.isfinite(descriptor.jacobian(graph)[1]).all()
    by_differentiation = Descriptor.jacobian(descriptor, graph)[1]
    torch.testing.assert_close(descriptor.jacobian(graph)[1], by_differentiation, rtol=0, atol=1e-12)


def test_published_numbers_of_features():
    assert AEV.like_1x(["H", "C", "N", "O"]).n_features == 384
    assert AEV.like_2x(["H", "C", "N", "O", "S", "F", "Cl"]).n_features == 1008


def test_elements_from_the_data_or_given():
    train = Dataset([Structure(structure("thiol"))])
    found, given = AEV(), AEV(elements=["S", "H", "C", "N"])
    for descriptor in (found, given):
        descriptor.setup(train)
    assert found.elements.tolist() == [1, 6, 16]
    assert given.elements.tolist() == [16, 1, 6, 7]


def test_refusals():
    with pytest.raises(UserError, match=r"know H, not .+"):
        AEV(elements=["H"]).features(graph_of(structure("thiol"), 5.2))
    with pytest.raises(UserError, match=r"angular_cutoff .* cannot exceed cutoff"):
        AEV(cutoff=3.0)
