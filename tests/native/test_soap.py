"""The fused SOAP loops against the truth in torch, for every instruction set that this machine has."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from cambrian.contracts import Descriptor
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.graph import Graph, graph_of
from cambrian.math.envelopes import Envelope, HardEnvelope, PolynomialEnvelope
from cambrian.math.soap_radial import ChebyshevPoints, PolynomialOrbitals, PowerWeight
from cambrian.native.soap import SoapKernel, available

pytestmark = pytest.mark.skipif(not available(), reason="no compiled kernels here")


def cluster(n: int = 23, kinds: str = "HCO") -> Atoms:
    rng = np.random.default_rng(n)
    atoms = Atoms([kinds[k % len(kinds)] for k in range(n)], positions=rng.uniform(0, 5.0, (n, 3)))
    return atoms + Atoms(kinds[0], positions=[[40.0, 0.0, 0.0]])  # and one without neighbors


def silicon() -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


PLATEAU = PolynomialEnvelope(inner_fraction=0.6)
CASES = [
    (cluster(), {"n_max": 3, "l_max": 2}),
    (cluster(9, "HC"), {"n_max": 5, "l_max": 0}),
    (cluster(14, "C"), {"n_max": 1, "l_max": 5, "weight": PowerWeight(length=2.0)}),
    (silicon(), {"n_max": 8, "l_max": 6}),
    (silicon(), {"n_max": 6, "l_max": 12, "envelope": HardEnvelope(), "width": 0.4}),
    (
        silicon(),
        {"n_max": 5, "l_max": 3, "basis": PolynomialOrbitals(), "envelope": PLATEAU},
    ),
    (cluster(11, "HC"), {"n_max": 9, "l_max": 3, "basis": ChebyshevPoints(), "envelope": HardEnvelope()}),
]


def ready(atoms: Atoms, settings: dict) -> tuple[SOAP, Graph]:
    descriptor = SOAP(cutoff=4.0, **settings)
    descriptor.setup(Dataset([Structure(atoms)]))
    return descriptor, graph_of(atoms, 4.2).within(4.0)


def close(found, expected, tolerance=1e-12):
    scale = float(expected.abs().max().clamp(min=1e-300))
    assert float((found - expected).abs().max()) <= tolerance * scale


@pytest.mark.parametrize(("atoms", "settings"), CASES)
def test_same_as_torch(atoms, settings):
    descriptor, graph = ready(atoms, settings)
    kernel = descriptor.kernel()
    expected, slopes = descriptor.jacobian(graph)
    close(kernel.features(graph), expected)
    features, jacobian = kernel.jacobian(graph)
    close(features, expected)
    close(jacobian, slopes)
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=expected.shape))
    close(kernel.pull(graph, weights), torch.einsum("exk,ek->ex", slopes, weights[graph.center]))


def test_energies_come_with_the_pull():
    descriptor, graph = ready(*CASES[0])
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(3, descriptor.n_features)))
    species = descriptor.species(graph)
    energies, pull = descriptor.kernel().energies_and_pull(graph, rows, species)
    close(energies, (descriptor.features(graph) * rows[species]).sum(dim=1))
    close(pull, descriptor.kernel().pull(graph, rows[species]))


def test_jacobian_is_the_derivative_by_autograd():
    descriptor, graph = ready(cluster(7), {"n_max": 2, "l_max": 3})
    close(descriptor.kernel().jacobian(graph)[1], Descriptor.jacobian(descriptor, graph)[1])


@dataclass(frozen=True)
class Stairs(Envelope):
    """Jumps where no knot lies."""

    smoothness = -1

    def __call__(self, distance, cutoff):
        return (distance < 0.7071 * cutoff).to(distance)


def test_what_a_table_cannot_follow_has_no_loops():
    descriptor, _ = ready(silicon(), {"envelope": Stairs()})
    assert descriptor.kernel() is None


@pytest.mark.parametrize("name", ["v3", "baseline"])
def test_every_instruction_set(name):
    """In a process of its own, since the choice is made at load."""
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:xdist', '-k', 'same_as_torch', sys.argv[1]]))"
    settings = os.environ | {"CAMBRIAN_NATIVE_ISA": name}
    result = subprocess.run([sys.executable, "-c", code, __file__], env=settings, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_what_does_not_fit_is_refused():
    descriptor, graph = ready(silicon(), {"n_max": 2, "l_max": 1})
    loops, stars = descriptor.kernel().loops, descriptor.kernel()._stars(graph)
    with pytest.raises(ValueError, match="slope must have the shape"):
        loops.energies_and_pull(*stars, np.zeros((1, 1)))
    with pytest.raises(ValueError, match="one species"):
        SoapKernel(n_species=0, arrays=descriptor.tabulated())
    stars[1][0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        loops.features(*stars)
