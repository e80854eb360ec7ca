"""Bessel descriptors against the double sum over neighbors in numpy, and against their own autograd."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import eval_legendre, spherical_jn

from cambrian.contracts.descriptor import Descriptor
from cambrian.descriptors.spherical_bessel import SphericalBessel
from cambrian.errors import UserError
from cambrian.graph import graph_of


def radial_functions(degree: int, n: int, cutoff: float):
    """g_0l ... g_n-1,l by Gram and Schmidt on combinations of neighboring waves that end flat: no closed form used."""
    grid = np.linspace(1e-3, 60, 60001)
    values = spherical_jn(degree, grid)
    roots = [
        brentq(lambda x: spherical_jn(degree, x), grid[k], grid[k + 1]) for k in np.nonzero(np.diff(np.sign(values)))[0]
    ]

    def flat(k):
        """Two waves with their slopes at the cutoff cancelled."""
        slopes = [roots[m] * spherical_jn(degree, roots[m], derivative=True) for m in (k, k + 1)]
        sign = np.sign(slopes[1])
        return lambda r: (
            -sign
            * (
                slopes[1] * spherical_jn(degree, roots[k] * r / cutoff)
                - slopes[0] * spherical_jn(degree, roots[k + 1] * r / cutoff)
            )
        )

    found = []
    for k in range(n):
        f = flat(k)
        overlaps = [quad(lambda r, f=f, g=g: f(r) * g(r) * r**2, 0, cutoff, limit=200)[0] for g in found]
        raw = lambda r, f=f, o=overlaps, e=tuple(found): f(r) - sum(c * g(r) for c, g in zip(o, e, strict=True))  # noqa: E731
        norm = np.sqrt(quad(lambda r, raw=raw: raw(r) ** 2 * r**2, 0, cutoff, limit=200)[0])
        found.append(lambda r, raw=raw, norm=norm: raw(r) / norm)
    return found


def double_sum(graph, elements: list[int], n_max: int, cutoff: float) -> np.ndarray:
    """p_nl^st by Legendre polynomials of every pair of neighbors."""
    radial = [radial_functions(degree, n_max - degree + 1, cutoff) for degree in range(n_max + 1)]
    vectors, kind = graph.r_ij.numpy(), graph.numbers[graph.neighbor].numpy()
    rows = []
    for i in range(graph.n_atoms):
        own = np.flatnonzero(graph.center.numpy() == i)
        row = []
        for a, s in enumerate(elements):
            for t in elements[a:]:
                J, K = own[kind[own] == s], own[kind[own] == t]
                rj, rk = (np.linalg.norm(vectors[e], axis=1) for e in (J, K))
                cosines = (vectors[J] / rj[:, None]) @ (vectors[K] / rk[:, None]).T
                for n in range(n_max + 1):
                    for degree in range(n + 1):
                        g = radial[degree][n - degree]
                        value = np.outer(g(rj), g(rk)) * eval_legendre(degree, cosines.clip(-1, 1))
                        row.append((2 * degree + 1) / (4 * np.pi) * value.sum())
        rows.append(row)
    return np.array(rows)


def crystal() -> Atoms:
    positions = np.random.default_rng(0).random((6, 3))
    return Atoms("COHCOH", scaled_positions=positions, cell=[[4, 0, 0], [1, 4.5, 0], [0.5, -1, 5]], pbc=True)


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), crystal()], ids=["molecule", "crystal"])
def test_equal_to_the_double_sum(atoms):
    graph = graph_of(atoms, 3.5)
    found = SphericalBessel.example().features(graph).numpy()
    expected = double_sum(graph, [1, 6, 8], 3, 3.5)
    assert found.shape == expected.shape == (len(atoms), 6 * 10)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), crystal()], ids=["molecule", "crystal"])
def test_jacobian_equals_autograd(atoms):
    descriptor, graph = SphericalBessel.example(), graph_of(atoms, 3.5)
    features, jacobian = descriptor.jacobian(graph)
    expected = Descriptor.jacobian(descriptor, graph)
    torch.testing.assert_close(features, expected[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(jacobian, expected[1], rtol=1e-10, atol=1e-11)
    assert float(jacobian.abs().max()) > 0.1


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UserError, match="n_max must be within"):
        SphericalBessel(n_max=40)
    with pytest.raises(UserError, match="cutoff must be positive"):
        SphericalBessel(cutoff=0.0)
    with pytest.raises(UserError, match="not Si"):
        SphericalBessel.example().features(graph_of(Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]]), 3.5))
