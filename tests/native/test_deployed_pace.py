"""Cluster expansions of other programs with nonlinear embeddings, inner cutoffs and repulsion as deployed files."""

import pytest
from compiled_runs import require_same
from networks.test_pace import cluster, potential

from cambrian.native.library import available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def test_every_embedding_radial_function_and_inner_cutoff(tmp_path):
    deployed = require_same(potential(), [cluster(seed) for seed in range(3)], tmp_path)
    assert deployed.elements == ["Al", "Ni"]
