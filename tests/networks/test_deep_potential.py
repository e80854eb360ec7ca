"""Deep Potential beside DeePMD-kit with the same weights, and beside its formulas written out in numpy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.networks.deep_potential import DeepPotential

PEER = json.loads((Path(__file__).parent / "data" / "deepmd.json").read_text())


def structure(name: str) -> Atoms:
    found = PEER["structures"][name]
    return Atoms(found["symbols"], positions=found["positions"], cell=found["cell"], pbc=found["pbc"])


def waves(shape: tuple[int, ...], k: int) -> torch.Tensor:
    """The weights that the fixture was made with."""
    return torch.tensor(np.sin(1.3 * np.arange(int(np.prod(shape))) + 0.7 * k).reshape(shape))


@pytest.fixture(params=["neighbor", "pair"])
def model(request) -> tuple[str, DeepPotential]:
    """The potential of the fixture."""
    keys = ("cutoff", "smooth_from", "embedding", "axis", "fitting")
    sel = dict(zip(PEER["elements"], PEER["sel"], strict=True))
    potential = DeepPotential(**{k: PEER[k] for k in keys}, sel=sel, embedding_of=request.param)
    potential.setup(Dataset([Structure(structure("amide"))]))  # the elements in the order of Z: H, C, N, O
    potential.mean = torch.tensor(PEER["mean"], dtype=torch.float64)
    potential.deviation = torch.tensor(PEER["deviation"], dtype=torch.float64)
    potential.center, potential.scale = torch.zeros_like(potential.center), torch.ones_like(potential.scale)
    with torch.no_grad():
        for network, start in ((potential.embedding, 0), (potential.fitting, 50)):
            for at, layer in enumerate(network.layers):
                for kind in range(len(layer.weight)):
                    k = 10 * (start + kind) + at
                    layer.weight[kind] = waves((layer.n_in, layer.n_out), k) / (layer.n_in + layer.n_out) ** 0.5
                    layer.bias[kind] = waves((layer.n_out,), 100 + k)
                    if layer.step is not None:
                        layer.step[kind] = 0.1 + 0.02 * waves((layer.n_out,), 200 + k)
        for kind in range(4):
            k, n_in = 10 * (50 + kind) + len(potential.fitting.layers), potential.fitting.widths[-1]
            potential.output.weight[kind] = waves((n_in, 1), k) / (n_in + 1) ** 0.5
            potential.output.bias[kind] = waves((1,), 100 + k)
    return request.param, potential


@pytest.mark.parametrize("name", ["amide", "crystal"])
def test_energy_and_forces_of_deepmd(model, name):
    kind, potential = model
    found = evaluate(potential, graph_of(structure(name), potential.cutoff))
    expected = PEER["models"][kind][name]
    assert float(found.energy) == pytest.approx(expected["energy"], rel=0, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected["forces"], rtol=0, atol=1e-9)  # theirs by differences


def by_hand(potential: DeepPotential, atoms: Atoms) -> float:
    """The formulas at the head of the file with every place written out, empty ones included."""
    elements = potential.elements.tolist()
    species = [elements.index(z) for z in atoms.numbers]
    i, j, r, vectors = neighbor_list("ijdD", atoms, potential.cutoff)
    start = potential.envelope.inner_fraction * potential.cutoff
    x = np.clip((r - start) / (potential.cutoff - start), 0, 1)
    s = (x**3 * (-6 * x**2 + 15 * x - 10) + 1) / r
    rows = np.column_stack([s, s[:, None] * vectors / r[:, None]])

    def network(x, net, kind):
        for layer in net.layers:
            y = np.tanh(x @ layer.weight[kind].numpy() + layer.bias[kind].numpy())
            y = y * (1.0 if layer.step is None else layer.step[kind].numpy())
            n_in, n_out = x.shape[-1], y.shape[-1]
            x = y + (x if n_out == n_in else np.concatenate([x, x], axis=-1) if n_out == 2 * n_in else 0.0)
        return x

    total, places = 0.0, potential.places.tolist()
    for a, c in enumerate(species):
        moments = 0.0
        for t, n_places in enumerate(places):
            mine = rows[(i == a) & (np.array(species)[j] == t)]
            full = np.concatenate([mine, np.zeros((n_places - len(mine), 4))])
            full = (full - [float(potential.mean[c]), 0, 0, 0]) / potential.deviation[c].numpy()[[0, 1, 1, 1]]
            kind = c * len(elements) + t if potential.of_pairs else t
            moments = moments + network(full[:, :1], potential.embedding, kind).T @ full
        moments = moments / sum(places)
        features = (moments @ moments[: potential.axis].T).ravel()
        features = (features - potential.center[c].numpy()) * potential.scale[c].numpy()
        fitted = network(features, potential.fitting, c)
        total += (fitted @ potential.output.weight[c].numpy() + potential.output.bias[c].numpy())[0]
    return total


@pytest.mark.parametrize("embedding_of", ["neighbor", "pair"])
def test_formulas_with_every_place_written_out(embedding_of):
    atoms = structure("crystal")
    potential = DeepPotential(cutoff=4.0, embedding=(3, 6, 6), axis=2, fitting=(5, 5), embedding_of=embedding_of)
    potential.setup(Dataset([Structure(atoms)]))
    potential.requires_grad_(False)
    found = evaluate(potential, graph_of(atoms, 4.0)).energy
    assert float(found) == pytest.approx(by_hand(potential, atoms), rel=0, abs=1e-12)


def test_standardised_rows_of_the_training_set():
    """Over all places of the centers of an element the rows have mean zero and deviation one."""
    atoms = structure("crystal")
    data = Dataset([Structure(atoms), Structure(atoms.repeat((2, 1, 1)))])
    potential = DeepPotential(cutoff=4.0, sel={"H": 20, "C": 21, "N": 22, "O": 23})
    potential.setup(data)
    n_places = int(potential.places.sum())
    for c in range(4):
        values = []
        for graph in data.graphs(4.0):
            rows = potential._rows(graph.r_ij)
            species = torch.searchsorted(potential.elements, graph.numbers)
            for a in torch.nonzero(species == c)[:, 0]:
                mine = rows[graph.center == a]
                values.append(torch.cat([mine, mine.new_zeros(n_places - len(mine), 4)]))
        values = torch.cat(values)
        assert float(potential.mean[c]) == pytest.approx(float(values[:, 0].mean()), abs=1e-14)
        for part, column in ((values[:, 0], 0), (values[:, 1:], 1)):
            assert float(potential.deviation[c, column]) == pytest.approx(float(part.std(correction=0)), abs=1e-12)


def test_places_are_many_enough_or_refused():
    atoms = structure("crystal")
    with pytest.raises(UserError, match=r"neighbors of O within the cutoff, and the potential has places for 2"):
        DeepPotential(cutoff=4.0, sel={"O": 2}).setup(Dataset([Structure(atoms)]))
    potential = DeepPotential(cutoff=4.0, embedding=(2, 4), axis=2, fitting=(5,))
    potential.setup(Dataset([Structure(atoms)]))
    pressed = atoms.copy()
    pressed.set_cell(0.8 * atoms.cell.array, scale_atoms=True)
    with pytest.raises(UserError, match=r"fit with sel=\{.+\} or more, or with denser structures"):
        potential(graph_of(pressed, 4.0))
    for wrong, words in (({"smooth_from": 7.0}, "smooth_from"), ({"axis": 101}, "axis")):
        with pytest.raises(UserError, match=words):
            DeepPotential(**wrong)
