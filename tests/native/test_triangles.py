"""Triangles by the compiled loops against the truth in torch, for every instruction set of this machine."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of
from cambrian.math.envelopes import CosineEnvelope
from cambrian.native.triangles import TriangleArrays, TriangleKernel, available
from cambrian.networks.three_body_kernel import ThreeBodyKernel

pytestmark = pytest.mark.skipif(not available(), reason="no compiled kernels here")


def gas(kinds: tuple[str, ...] = ("H", "C", "O"), n: int = 4, pbc: bool = True) -> Atoms:
    rng = np.random.default_rng(n)
    places = np.indices((n, n, n)).reshape(3, -1).T * 1.7 + rng.uniform(-0.2, 0.2, (n**3, 3))
    symbols = [kinds[k] for k in rng.integers(0, len(kinds), n**3)]
    return Atoms(symbols, positions=places, cell=np.eye(3) * 1.7 * n, pbc=pbc)


def fitted(atoms: Atoms, n_points: int = 11, **settings) -> ThreeBodyKernel:
    potential = ThreeBodyKernel(cutoff=3.0, n_points=n_points, lengths=(0.8, 1.5, 0.9), **settings)
    potential.setup(Dataset([Structure(atoms)]))
    potential.weights = torch.nn.Parameter(torch.randn(len(potential.weights), dtype=torch.float64))
    return potential


@pytest.mark.parametrize(
    ("atoms", "settings"),
    [
        (gas(), {}),
        (gas(("Si",)), {"n_points": 100, "envelope": CosineEnvelope(inner_fraction=0.4)}),
        (gas(pbc=False) + Atoms("H", positions=[[50.0, 0, 0]]), {}),
    ],
)
def test_same_as_torch(atoms, settings):
    potential = fitted(atoms, **settings)
    graph, run = graph_of(atoms, 3.3), predictor(potential)
    for _ in range(2):
        found, truth = run(graph), evaluate(potential, graph)
        for name in ("energy", "forces", "stress", "atomic_energies"):
            one, two = getattr(found, name), getattr(truth, name)
            assert torch.allclose(one, two, rtol=1e-11, atol=1e-11 * len(atoms), equal_nan=True), name
        with torch.no_grad():
            potential.weights.mul_(2)


@pytest.mark.parametrize("name", ["v3", "baseline"])
def test_every_instruction_set(name):
    """In a process of its own, since the choice is made at load."""
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:xdist', '-k', 'same_as_torch', sys.argv[1]]))"
    settings = os.environ | {"CAMBRIAN_NATIVE_ISA": name}
    result = subprocess.run([sys.executable, "-c", code, __file__], env=settings, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_what_does_not_fit_is_refused():
    arrays = fitted(gas(("Si",))).triangle_arrays()
    with pytest.raises(ValueError, match="points must have the shape"):
        TriangleKernel(1, TriangleArrays(**vars(arrays) | {"points": arrays.points[:-1].copy()}))
    with pytest.raises(ValueError, match="first must rise"):
        TriangleKernel(1, TriangleArrays(**vars(arrays) | {"first": np.array([1, len(arrays.weights)])}))
