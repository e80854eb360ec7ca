"""Random polynomials of neighbor moments, and structures that suit them."""

import math
from functools import cache

import numpy as np
import torch
from ase import Atoms

from cambrian.contracts.moment_polynomial import ANY, MomentPolynomial
from cambrian.graph import Graph, batch, graph_of
from cambrian.math.radial_table import RadialTable

ELEMENTS = [1, 6, 8]


def radial(n_radial=4):
    def functions(distance, center, neighbor):
        n = torch.arange(1, n_radial + 1)
        cutoff = cutoffs()[center, neighbor]
        shape = 1 + 0.1 * center + 0.2 * neighbor
        fade = torch.where(distance < cutoff, (1 - distance / cutoff) ** 3, torch.zeros_like(distance))
        return torch.sin(n * (shape * distance)[:, None]) * fade[:, None]

    return functions


def cutoffs():
    return torch.tensor([[3.0, 3.2, 3.1], [3.2, 3.5, 3.3], [3.0, 3.4, 3.2]], dtype=torch.float64)


@cache
def table():
    return RadialTable.of(radial(), cutoffs())


def random_polynomial(angular, degree=3, n_products=25, n_features=12, seed=0) -> MomentPolynomial:
    """Moments of any and of one species, products of one to four terms up to a high order, features of some nodes."""
    rng = np.random.default_rng(seed)
    columns = (degree + 1) ** 2 if angular == "spherical harmonics" else math.comb(degree + 3, 3)
    moments = [(t, q, k) for t in (ANY, 0, 1, 2) for q in range(4) for k in range(columns)]
    moments = [moments[k] for k in sorted(rng.choice(len(moments), 40, replace=False))]
    terms = [
        (target, *sorted(rng.integers(0, target, 2)))
        for target in range(len(moments), len(moments) + n_products)
        for _ in range(rng.integers(1, 5))
    ]
    entries = [np.sort(rng.choice(len(moments) + n_products, rng.integers(0, 5))) for _ in range(n_features)]
    first = np.concatenate([[0], np.cumsum([len(e) for e in entries])])
    n_entries = int(first[-1])
    return MomentPolynomial(
        elements=torch.tensor(ELEMENTS),
        radial=table(),
        angular=angular,
        degree=degree,
        moments=torch.tensor(moments),
        terms=torch.tensor(np.array(terms)),
        coefficients=torch.from_numpy(rng.normal(size=len(terms))),
        feature_first=torch.from_numpy(first),
        feature_node=torch.from_numpy(np.concatenate(entries)),
        feature_weight=torch.from_numpy(rng.normal(size=n_entries)),
    )


def structures() -> Graph:
    rng = np.random.default_rng(3)
    cell = np.array([[3.4, 0.2, 0.1], [0.5, 3.2, -0.3], [-0.4, 0.6, 3.7]])
    crystal = Atoms([1, 6, 8, 6], positions=rng.uniform(size=(4, 3)) @ cell, cell=cell, pbc=True)
    cluster = Atoms([8, 1, 6, 1, 6], positions=rng.uniform(0, 3, size=(5, 3)))
    alone = Atoms([6])
    return batch([graph_of(a, 3.5) for a in (crystal, cluster, alone)])
