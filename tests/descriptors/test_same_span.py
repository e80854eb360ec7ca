"""Moment tensors and the atomic cluster expansion are two ways to write the same invariant polynomials.

r̂ ⊗ ... ⊗ r̂ (ν times) is made of harmonics l = ν, ν - 2 ..., so contractions of k moments span what products of
k factors A span, where both count a factor alike: level 2 + 2 μ + ν beside degree n + l/2, n = μ + 1, and the same
radial functions. Moment tensors list a scalar for every graph, and from level 16 on these depend on each other (four
vectors in space have no Gram determinant); cluster expansions keep independent ones alone.
G. Dusson et al., J. Comput. Phys. 454, 110946 (2022).
"""

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.data import Dataset, Structure
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.descriptors.moment_tensors import MomentTensors
from cambrian.graph import Graph, batch, graph_of
from cambrian.math.radial_bases import RadialBasis

CUTOFF = 4.0


class RadialOf(RadialBasis):
    """The radial functions of moment tensors of one element."""

    def __init__(self, tensors: MomentTensors):
        self.tensors = tensors

    def __call__(self, distance, cutoff, n):
        kind = torch.zeros_like(distance, dtype=torch.int64)
        return self.tensors.radial_functions(distance, kind, kind)[..., :n]


def neighborhoods(count: int) -> list[Atoms]:
    """Stars of 4 to 12 atoms around one at the origin: few neighbors keep products of many factors large."""
    rng, found = np.random.default_rng(5), []
    for k in range(count):
        n = 4 + k % 9
        points = rng.normal(size=(n, 3))
        points *= (rng.uniform(1.0, 3.9, n) / np.linalg.norm(points, axis=1))[:, None]
        found.append(Atoms("Si" * (n + 1), np.vstack([np.zeros(3), points])))
    return found


def both(level: int) -> tuple[MomentTensors, AtomicClusterExpansion]:
    """Moment tensors up to a level, and the cluster expansion of the same degree."""
    tensors = MomentTensors(cutoff=CUTOFF, closest=0.3, level=level, radial_level=2, n_radial=10)
    tensors.setup(Dataset([Structure(a) for a in neighborhoods(20)]))
    factors = level // 2
    expansion = AtomicClusterExpansion(
        cutoff=CUTOFF,
        n_max=[factors] * factors,
        l_max=[factors] * factors,
        degree=[level / 2] * factors,
        l_weight=0.5,
        radial=RadialOf(tensors),
    )
    expansion.elements = torch.tensor([14])
    return tensors, expansion


def columns(descriptor, graph: Graph) -> np.ndarray:
    """Features of the centers, each of mean square one."""
    centers = np.flatnonzero(np.diff(graph.structure.numpy(), prepend=-1))
    table = descriptor.features(graph).detach().numpy()[centers]
    return table / np.sqrt(np.square(table).mean(axis=0))


def rank(table: np.ndarray) -> int:
    """Number of independent columns; no singular value may stand between those that count and rounding."""
    singular = np.linalg.svd(table, compute_uv=False)
    singular /= singular[0]
    assert not ((singular > 1e-13) & (singular < 1e-11)).any()
    return int((singular > 1e-12).sum())


@pytest.mark.parametrize("level", [8, 12, 16])
def test_moment_tensors_span_what_the_cluster_expansion_spans(level):
    tensors, expansion = both(level)
    stars = neighborhoods(2 * tensors.n_features + 60)
    graph = batch([graph_of(a, CUTOFF) for a in stars])
    first, second = columns(tensors, graph), columns(expansion, graph)
    for basis, others in ((first, second), (second, first)):
        solved = np.linalg.lstsq(basis, others, rcond=1e-14)[0]
        assert np.abs(basis @ solved - others).max() < 1e-9 * np.abs(others).max()
    assert rank(first) == rank(second) == rank(np.hstack([first, second])) == expansion.n_features
    assert (tensors.n_features > expansion.n_features) == (level >= 16)
