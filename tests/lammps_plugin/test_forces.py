"""The pair style against the same formula in torch: every number of ranks, newton on and off, all per-atom output."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lammps_plugin.model import committee
from lammps_plugin.structures import STRUCTURES

from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.spread import uncertainty
from cambrian.graph import graph_of

HERE = Path(__file__).parent
NEWTON = ("on", "off", "off_on")


@pytest.fixture(scope="module", params=[1, 2, 4])
def found(request, tmp_path_factory, start):
    folder = tmp_path_factory.mktemp("ranks")
    start(sys.executable, HERE / "model_ranks.py", folder, ranks=request.param)
    with np.load(folder / f"{request.param}.npz") as values:
        return dict(values)


@pytest.fixture(scope="module")
def expected() -> dict[str, tuple[Prediction, dict]]:
    three, values = committee(3), {}
    for name, make in STRUCTURES.items():
        graph = graph_of(make(), three.cutoff)
        members = [evaluate(m, graph, virials=True) for m in three.members]
        mean = {
            field: torch.stack([getattr(p, field) for p in members]).mean(dim=0).numpy()
            for field in ("energy", "forces", "stress", "atomic_energies", "virials")
        }
        values[name] = mean | {"spread": uncertainty(three, graph).forces.numpy(), "graph": graph}
    return values


def close(ours, truth, name):
    scale = max(np.abs(truth).max(), 1.0)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-11 * scale, err_msg=name)


@pytest.mark.parametrize("newton", NEWTON)
@pytest.mark.parametrize("place", STRUCTURES)
def test_what_lammps_gets_is_what_torch_gets(found, expected, place, newton):
    truth, values = expected[place], {k: found[f"{place}_{newton}_{k}"] for k in ("energy", "forces", "energies")}
    close(values["energy"], truth["energy"][0], "energy")
    close(values["forces"], truth["forces"], "forces")
    close(values["energies"], truth["atomic_energies"], "atomic energies")
    assert np.abs(truth["forces"]).max() > 1e-3, "nothing to compare"
    if STRUCTURES[place]().pbc.all():
        close(found[f"{place}_{newton}_stress"], truth["stress"][0], "stress")


@pytest.mark.parametrize("newton", NEWTON)
@pytest.mark.parametrize("place", STRUCTURES)
def test_virials_belong_to_the_neighbor(found, expected, place, newton):
    truth = expected[place]["virials"]
    close(found[f"{place}_{newton}_nine"], truth, "nine components")
    close(found[f"{place}_{newton}_six"], (truth + truth.transpose(0, 2, 1)) / 2, "six components")
    if place == "crystal":
        assert np.abs(truth - truth.transpose(0, 2, 1)).max() > 1e-4, "nothing to tell order by"


@pytest.mark.parametrize("newton", NEWTON)
@pytest.mark.parametrize("place", STRUCTURES)
def test_spread_and_grade_of_every_atom(found, expected, place, newton):
    truth = expected[place]
    close(found[f"{place}_{newton}_spread"], truth["spread"], "spread of forces")
    graph = truth["graph"].within(4.0)
    f = (1 - graph.r_ij.square().sum(dim=-1) / 16) ** 3
    w = torch.tensor([1.0 if z == 11 else -0.7 for z in graph.numbers.tolist()], dtype=torch.float64)
    v = torch.zeros_like(graph.positions)
    v.index_add_(0, graph.center, (w[graph.neighbor] * f)[:, None] * graph.r_ij)
    close(found[f"{place}_{newton}_grade"], 3 * v.norm(dim=-1).numpy(), "grade of the worst member")
    largest = [found[f"{place}_{newton}_{name}"].max() for name in ("spread", "grade")]
    close(found[f"{place}_{newton}_worst"], np.array(largest), "compute pair")


def test_ranks_without_atoms_take_part(found):
    counts = found["slab_on_atoms_of_rank"]
    assert counts.sum() == 8
    assert found["ranks"] < 4 or counts.min() == 0
