"""SOAP equal to featomic, values and gradients: it is given our orbitals and makes its own integrals of them.

featomic integrates the overlaps with its Gaussians by adaptive quadrature and keeps them as cubic splines: their slopes
limit the agreement of gradients. Its Gaussians are of unit norm, (πσ²)^(-3/4) times ours; its power spectrum has the
factor (-1)^l in place of π √8, and both n, n' and n', n of one element.
"""

import math
from functools import cache

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.graph import graph_of
from cambrian.math.envelopes import CosineEnvelope
from cambrian.math.soap_radial import PowerWeight

featomic = pytest.importorskip("featomic")
CUTOFF, WIDTH, FADE = 4.2, 0.5, 1.4  # Å
N_MAX, L_MAX, SPLINE_POINTS = 3, 3, 2000


class Orbitals(featomic.basis.RadialBasis):
    """s^l e^(-α s²), each falling to 10^-3 at its own length, made orthonormal by S^(-1/2)."""

    def __init__(self, degree: int, n_max: int):
        super().__init__(max_radial=n_max - 1, radius=CUTOFF)
        lengths = np.linspace(1.0, CUTOFF, n_max)
        self.degree, self.alpha = degree, -np.log(1e-3 / lengths**degree) / lengths**2

    @property
    def integration_radius(self) -> float:
        return 2.2 * CUTOFF

    def compute_primitive(self, positions: np.ndarray, n: int, *, derivative: bool) -> np.ndarray:
        assert not derivative
        return positions**self.degree * np.exp(-self.alpha[n] * positions**2)

    def _get_orthonormalization_matrix(self) -> np.ndarray:
        squares, vectors = np.linalg.eigh(self._get_gram_matrix())
        return (vectors / np.sqrt(squares)) @ vectors.T


@cache
def settings() -> dict:
    """Cutoff function, density and tabulated overlaps."""
    smoothing = featomic.cutoff.ShiftedCosine(width=FADE)
    return featomic.splines.SoapSpliner(
        cutoff=featomic.cutoff.Cutoff(radius=CUTOFF, smoothing=smoothing),
        density=featomic.density.Gaussian(width=WIDTH),
        basis=featomic.basis.Explicit(by_angular={k: Orbitals(k, N_MAX) for k in range(L_MAX + 1)}),
        n_spline_points=SPLINE_POINTS,
    ).get_hypers()


def by_featomic(atoms: Atoms, scaling) -> dict:
    """Values (atoms, l, n, n') and gradients (atoms, moved atoms, 3, l, n, n') for each pair of elements."""
    density = featomic.density.DiracDelta(scaling=scaling)  # the overlaps know of the Gaussians
    calculator = featomic.SoapPowerSpectrum(**(settings() | {"density": density}))
    shape, n = (L_MAX + 1, N_MAX, N_MAX), len(atoms)
    found = {}
    for key, block in calculator.compute(atoms, gradients=["positions"]).items():
        assert block.properties.names == ["l", "n_1", "n_2"]
        pair = int(key["neighbor_1_type"]), int(key["neighbor_2_type"])
        values, slopes = found.setdefault(pair, (np.zeros((n, *shape)), np.zeros((n, n, 3, *shape))))
        rows = np.asarray(block.samples["atom"])
        values[rows] = block.values.reshape(-1, *shape)
        gradient = block.gradient("positions")
        centers = rows[np.asarray(gradient.samples["sample"])]
        slopes[centers, np.asarray(gradient.samples["atom"])] = gradient.values.reshape(-1, 3, *shape)
    return found


def arranged(found: dict, descriptor: SOAP, which: int) -> np.ndarray:
    """Columns of featomic's arrays in our order, with our factors."""
    numbers, columns = descriptor.elements.tolist(), []
    for s, t in descriptor.pairs:
        table = found[numbers[s], numbers[t]][which]
        first, second = (k.numpy() for k in descriptor.places(s, t))
        factor = np.where((first != second) & (s == t), math.sqrt(2), 1.0) * (-1.0) ** np.arange(L_MAX + 1)[:, None]
        columns.append((table[..., first, second] * factor).reshape(*table.shape[:-3], -1))
    return math.pi * math.sqrt(8) * (math.pi * WIDTH**2) ** 1.5 * np.concatenate(columns, axis=-1)


def silicon() -> Atoms:
    atoms = bulk("Si", cubic=True, a=5.43)
    atoms.positions += np.random.default_rng(0).normal(0, 0.15, atoms.positions.shape)
    return atoms


def carbide() -> Atoms:
    atoms = bulk("SiC", "zincblende", a=4.36).repeat((2, 1, 1))
    atoms.positions += np.random.default_rng(1).normal(0, 0.15, atoms.positions.shape)
    return atoms


@pytest.mark.parametrize(("atoms", "weighted"), [(silicon(), False), (carbide(), False), (carbide(), True)])
def test_power_spectra_and_gradients(atoms, weighted):
    weight, scaling = {}, None
    if weighted:
        weight = {"weight": PowerWeight(length=2.5, exponent=3, offset=0.8, scale=0.8)}
        scaling = featomic.density.Willatt2018(exponent=3, rate=0.8, scale=2.5)
    envelope = CosineEnvelope(inner_fraction=1 - FADE / CUTOFF)
    descriptor = SOAP(cutoff=CUTOFF, n_max=N_MAX, l_max=L_MAX, width=WIDTH, envelope=envelope, **weight)
    descriptor.setup(Dataset([Structure(atoms)]))
    found, graph = by_featomic(atoms, scaling), graph_of(atoms, CUTOFF)
    for way in filter(None, (descriptor, descriptor.kernel())):
        features, jacobian = (x.numpy() for x in way.jacobian(graph))
        gradient = np.zeros((len(atoms), len(atoms), *jacobian.shape[1:]))
        center, neighbor = graph.center.numpy(), graph.neighbor.numpy()
        np.add.at(gradient, (center, neighbor), jacobian)
        np.add.at(gradient, (center, center), -jacobian)
        np.testing.assert_allclose(features, arranged(found, descriptor, 0), rtol=0, atol=1e-11 * features.max())
        np.testing.assert_allclose(gradient, arranged(found, descriptor, 1), rtol=0, atol=1e-8 * gradient.max())
