"""FCHL19: qmllib's numbers, the formula written out, the closed-form derivatives against differentiation.

data/fchl19.npz was made with the PyPI package qmllib 1.2.0: `generate_fchl19` with elements H, C and O, of ethanol with
its defaults, and of formaldehyde with gradients and nRs2=8, nRs3=6, rcut=acut=5; both from ASE's molecules, rattled.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from cambrian.contracts.descriptor import Descriptor
from cambrian.descriptors.fchl19 import FCHL19
from cambrian.graph import graph_of


@pytest.fixture(scope="module")
def theirs():
    with np.load(Path(__file__).parent / "data" / "fchl19.npz") as file:
        return dict(file)


def fchl19(**how) -> FCHL19:
    descriptor = FCHL19(**how)
    descriptor.elements = torch.tensor([1, 6, 8])
    return descriptor


def test_equals_qmllib(theirs):
    ethanol = Atoms(theirs["ethanol_numbers"], theirs["ethanol"])
    found = fchl19().features(graph_of(ethanol, 8.0))
    np.testing.assert_allclose(found, theirs["ethanol_features"], rtol=0, atol=1e-12)


def test_derivatives_equal_qmllib(theirs):
    atoms = Atoms(theirs["formaldehyde_numbers"], theirs["formaldehyde"])
    graph = graph_of(atoms, 5.0)
    features, by_edge = fchl19(cutoff=5.0, n_two=8, n_three=6).jacobian(graph)
    np.testing.assert_allclose(features, theirs["formaldehyde_features"], rtol=0, atol=1e-12)
    n = len(atoms)
    gradient = torch.zeros(n * n, 3, features.shape[1], dtype=torch.float64)
    gradient.index_add_(0, graph.center * n + graph.neighbor, by_edge)
    gradient.index_add_(0, graph.center * (n + 1), -by_edge)
    gradient = gradient.reshape(n, n, 3, -1).permute(0, 3, 1, 2)
    np.testing.assert_allclose(gradient, theirs["formaldehyde_gradient"], rtol=0, atol=1e-11)


def test_one_pair_and_one_triangle_written_out():
    """Two-body of C in CO; three-body of O in water, with the formulas of the paper in plain numpy."""
    r, radii = 1.2, np.linspace(0, 8, 25)[1:]
    carbon = fchl19().features(graph_of(Atoms("CO", [[0, 0, 0], [r, 0, 0]]), 8.0))[0].numpy()
    s = math.sqrt(math.log(1 + 0.32 / r**2))
    mu = math.log(r / math.sqrt(1 + 0.32 / r**2))
    f = 0.5 * (1 + math.cos(math.pi * r / 8))
    expected = f * r**-1.8 * np.exp(-((np.log(radii) - mu) ** 2) / (2 * s**2)) / (s * math.sqrt(2 * math.pi) * radii)
    np.testing.assert_allclose(carbon[48:72], expected, atol=1e-14)
    assert not carbon[:48].any()
    assert not carbon[72:].any()

    a, b, theta = 0.9, 1.1, 1.8
    water = Atoms("OHH", [[0, 0, 0], [a, 0, 0], [b * math.cos(theta), b * math.sin(theta), 0]])
    c = water.get_distance(1, 2)
    others = [(a**2 + c**2 - b**2) / (2 * a * c), (b**2 + c**2 - a**2) / (2 * b * c)]
    screen = 13.4 * math.sqrt(2.7 / math.pi) * (1 + 3 * math.cos(theta) * others[0] * others[1]) / (a * b * c) ** 0.57
    near = np.prod([0.5 * (1 + math.cos(math.pi * x / 8)) for x in (a, b)])
    radial = np.exp(-2.7 * (0.5 * (a + b) - np.linspace(0, 8, 21)[1:]) ** 2) * near * screen
    angular = 2 * math.exp(-(math.pi**2) / 2) * np.array([math.cos(theta), math.sin(theta)])
    found = fchl19().features(graph_of(water, 8.0))[0, 72:112].numpy()
    np.testing.assert_allclose(found, (radial[:, None] * angular).ravel(), atol=1e-14)


@pytest.mark.parametrize("name", ["crystal", "molecule", "alone"])
def test_closed_form_is_the_derivative(name):
    atoms = {"crystal": bulk("CO", "zincblende", a=4.2), "molecule": molecule("CH3OH"), "alone": Atoms("O")}[name]
    atoms.rattle(0.05, seed=1)
    descriptor = fchl19(cutoff=4.0, n_two=5, n_three=3)
    graph = graph_of(atoms, 4.0)
    features, found = descriptor.jacobian(graph)
    expected = Descriptor.jacobian(descriptor, graph)
    np.testing.assert_allclose(features, expected[0], atol=1e-14)
    np.testing.assert_allclose(found, expected[1], atol=1e-11)


def test_atoms_in_line_have_finite_derivatives():
    found = fchl19().jacobian(graph_of(molecule("CO2"), 8.0))[1]
    assert torch.isfinite(found).all()
