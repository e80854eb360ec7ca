"""The extended Kalman filter against closed forms: ridge regression, the textbook's recursion, derivatives, choices."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from argon_clusters import clusters, network
from small_data import argon

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.prepared import Live, prepare
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF
from cambrian.errors import UserError
from cambrian.fit import Problem, fit
from cambrian.fit.candidates import AboveThreshold, RandomCandidates, WorstFirst
from cambrian.fit.covariance_layout import ByLayers, FullCovariance
from cambrian.fit.filter_memory import FadingMemory, StandardFilter
from cambrian.fit.filter_units import ByLabels, ByNetwork, FixedUnits
from cambrian.fit.kalman_filter import Candidate, KalmanFilter
from cambrian.fit.objective import columns
from cambrian.graph import graph_of
from cambrian.math import kalman
from cambrian.math.kalman import BlockCovariance, gain
from cambrian.regressors.neural import NeuralRegressor

STEADY = {"eta_rate": 0.0, "q": 0.0, "q_min": 0.0}


def filtered(memory, rows, targets, width: int, settle_at: int, monkeypatch):
    """Weights and covariance after all observations of a linear model, `width` at a time."""
    monkeypatch.setattr(kalman, "COLUMNS", settle_at)
    covariance = BlockCovariance([rows.shape[1]], 1 / memory.epsilon)
    state, w = memory.start(), np.zeros(rows.shape[1])
    for start in range(0, len(rows), width):
        H, y = rows[start : start + width].T, targets[start : start + width]
        K, U = gain(covariance, H, memory.noise(state, 10))
        covariance.reduce(U)
        memory.settle(covariance, state, 10)
        w = w + K @ (y - H.T @ w)
    return w, covariance.matrices()[0]


def observations(n: int = 60, n_parameters: int = 7):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(n, n_parameters))
    return rows, rows @ rng.normal(size=n_parameters) + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize(("width", "settle_at"), [(1, 48), (1, 2), (4, 6), (12, 48)])
def test_the_standard_filter_is_ridge_regression(width, settle_at, monkeypatch):
    rows, targets = observations()
    memory = StandardFilter(epsilon=0.05, eta=0.3, **STEADY)
    w, P = filtered(memory, rows, targets, width, settle_at, monkeypatch)
    normal = 0.05 * np.eye(7) + 0.3 * rows.T @ rows
    np.testing.assert_allclose(w, np.linalg.solve(normal, 0.3 * rows.T @ targets), rtol=0, atol=1e-12)
    np.testing.assert_allclose(P, np.linalg.inv(normal), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("width", "settle_at"), [(1, 48), (1, 5), (6, 14)])
def test_fading_memory_is_weighted_ridge_regression(width, settle_at, monkeypatch):
    rows, targets = observations()
    fade, epsilon = 0.93, 0.2
    memory = FadingMemory(epsilon=epsilon, forgetting=fade, annealing=1.0)
    w, P = filtered(memory, rows, targets, width, settle_at, monkeypatch)
    n_updates = len(rows) // width
    weights = np.repeat(fade ** (n_updates - 1 - np.arange(n_updates)), width)
    prior = fade**n_updates * epsilon * np.eye(7)
    normal = prior + rows.T @ (weights[:, None] * rows)
    np.testing.assert_allclose(w, np.linalg.solve(normal, rows.T @ (weights * targets)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(P, np.linalg.inv(normal), rtol=0, atol=1e-12)


@pytest.mark.parametrize("memory", [StandardFilter(), FadingMemory(q=1e-3)])
@pytest.mark.parametrize("width", [1, 8])
def test_noise_and_schedules_follow_the_textbook(memory, width, monkeypatch):
    """The recursion of the literature written out with full matrices."""
    rows, targets = observations(64)
    w, P = filtered(memory, rows, targets, width, 5, monkeypatch)
    W, C = np.zeros(7), np.eye(7) / memory.epsilon
    q = memory.q
    eta, fade = getattr(memory, "eta", None), getattr(memory, "forgetting", None)
    for start in range(0, len(rows), width):
        H, y = rows[start : start + width].T, targets[start : start + width]
        if eta is not None and eta < memory.eta_max:
            eta *= np.exp(memory.eta_rate / 10)
        R = np.eye(width) * (fade if eta is None else 1 / eta)
        K = C @ H @ np.linalg.inv(H.T @ C @ H + R)
        C = C - K @ H.T @ C
        if fade is not None:
            C = C / fade
            fade = memory.annealing * fade + 1 - memory.annealing
        C = C + q * np.eye(7)
        if q > memory.q_min:
            q *= np.exp(-memory.q_rate / 10)
        W = W + K @ (y - H.T @ W)
    np.testing.assert_allclose(w, W, rtol=0, atol=1e-10)
    np.testing.assert_allclose(P, C, rtol=0, atol=1e-10)


def test_blocks_are_the_filter_without_covariances_between_them():
    rng = np.random.default_rng(0)
    blocks, H = BlockCovariance([3, 4], 2.0), rng.normal(size=(7, 2))
    P = 2.0 * np.eye(7)
    for _ in range(5):
        K, U = gain(blocks, H, 0.5)
        expected = P @ H @ np.linalg.inv(H.T @ P @ H + 0.5 * np.eye(2))
        np.testing.assert_allclose(K, expected, atol=1e-13)
        blocks.reduce(U)
        P = P - expected @ H.T @ P
        P[:3, 3:] = P[3:, :3] = 0.0
        first, second = blocks.matrices()
        np.testing.assert_allclose(first, P[:3, :3], atol=1e-13)
        np.testing.assert_allclose(second, P[3:, 3:], atol=1e-13)


def periodic():
    """A prepared network on a small cell, in which atoms see their own images."""
    frames = argon(2, size=1)
    data = Dataset(Structure(a, energy=a.get_potential_energy(), forces=a.get_forces()) for a in frames)
    potential = IsolatedAtoms() + DescriptorPotential(ACSF(cutoff=6.0), NeuralRegressor(hidden=(4,), seed=2))
    potential.setup(data)
    return potential, data


def test_one_component_of_a_force_is_that_of_the_whole_structure():
    potential, data = periodic()
    graph = graph_of(data[0].atoms, potential.cutoff)
    prepared, whole = prepare(potential, graph), evaluate(potential, graph, training=True)
    parameters = [p for p in potential.parameters() if p.requires_grad]
    chosen = [(0, 0), (2, 1), (3, 2)]
    first, *others = [prepared.observe(c) for c in chosen]
    found = first.join(others).values()
    expected = torch.stack([whole.forces[c] for c in chosen])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(columns(found, parameters), columns(expected, parameters), rtol=0, atol=1e-11)
    torch.testing.assert_close(prepared.observe().values(), whole.energy, rtol=0, atol=1e-11)
    live = Live(potential, graph)
    torch.testing.assert_close(live.observe((2, 1)).values(), expected[1:2], rtol=0, atol=1e-12)


def filter_of(solver, data, potential=None):
    potential = potential or network(hidden=(4,))
    potential.setup(data)
    return solver.course(Problem(potential, data))


def test_the_covariance_stays_symmetric_and_positive():
    for memory in (StandardFilter(), FadingMemory()):
        course = filter_of(KalmanFilter(memory=memory, epochs=2), clusters(10, seed=0))
        course.epoch()
        (P,) = course.covariance.matrices()
        assert np.array_equal(P, P.T)
        assert np.linalg.eigvalsh(P).min() > 0


def test_worst_first_begins_with_the_worst():
    course = filter_of(KalmanFilter(candidates=WorstFirst()), clusters(6, seed=0))
    errors = course._all_errors("force")
    order = course._order("force").tolist()
    assert sorted(order) == list(range(len(errors)))
    assert errors[order[0]].abs() == errors.abs().max()
    worst = course.candidates["force"][order[0]]
    assert course._errors("force", [worst])[0] == pytest.approx(float(errors.abs().max()))


def test_candidates_below_the_threshold_are_drawn_again():
    data = clusters(6, seed=0)
    course = filter_of(KalmanFilter(candidates=AboveThreshold(force=1.0, trials=3), streams=5), data)
    course.notice({"force_rmse": float(course._all_errors("force").square().mean().sqrt())})
    from cambrian.fit.kalman_filter import _Queue

    order = torch.arange(len(course.candidates["force"]))
    plain = [course.candidates["force"][k] for k in range(5)]
    chosen = course._draw("force", _Queue(order))
    before, after = course._errors("force", plain), course._errors("force", chosen)
    assert (after >= before).all()
    assert (after > before).any()
    above = before > course.rmse["force"]
    assert [c for c, keep in zip(chosen, above, strict=True) if keep] == [
        c for c, keep in zip(plain, above, strict=True) if keep
    ]


def test_random_candidates_take_all_before_any_again():
    order = RandomCandidates().order(10, lambda: torch.zeros(10), torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(10))


def test_units():
    assert ByLabels().units(0.5, 2.0, 8.0) == (0.5, 2.0)
    assert ByNetwork().units(0.5, 2.0, 8.0) == (0.25, 2.0)
    assert ByNetwork().units(0.5, 0.0, 0.0) == (0.5, 1.0)
    assert FixedUnits(energy=27.2, force=51.4).units(1.0, 1.0, 1.0) == (27.2, 51.4)


def test_one_update_is_the_formula():
    """One energy and one force update from the same weights, with derivatives by differences."""
    data, potential = clusters(3, seed=0), network(hidden=(3,))
    solver = KalmanFilter(
        units=FixedUnits(energy=2.0, force=4.0), force_update_weight=3.0, memory=StandardFilter(**STEADY)
    )
    course = filter_of(solver, data, potential)
    parameters = [p for p in potential.parameters() if p.requires_grad]
    graph = graph_of(data[1].atoms, potential.cutoff)

    def slopes(value) -> np.ndarray:
        found = []
        for p in parameters:
            for k in range(p.numel()):
                with torch.no_grad():
                    p.view(-1)[k] += 1e-5
                    up = value()
                    p.view(-1)[k] -= 2e-5
                    down = value()
                    p.view(-1)[k] += 1e-5
                found.append((up - down) / 2e-5)
        return np.array(found)

    P, w = 100.0 * np.eye(sum(p.numel() for p in parameters)), torch.nn.utils.parameters_to_vector(parameters)
    w = w.detach().numpy().copy()
    for component in (None, (2, 1)):

        def value(component=component) -> float:
            p = evaluate(potential, graph)
            return float(p.energy[0] if component is None else p.forces[component])

        label = data[1].energy if component is None else data[1].forces[component]
        factor = 0.5 if component is None else 3.0 / 4.0
        h, residual = factor * slopes(value), factor * (label - value())
        K = P @ h / (h @ P @ h + 100.0)
        w, P = w + K * residual, P - np.outer(K, P @ h)
        course._update("energy" if component is None else "force", [Candidate(1, component)])
        found = torch.nn.utils.parameters_to_vector(parameters).detach().numpy()
        np.testing.assert_allclose(found, w, rtol=0, atol=1e-7)


def test_updates_are_those_of_n2p2():
    """38 updates by nnp-train (n2p2 commit 61daa0df) on six structures: the same weights at the end.

    Which force component an update used stands not in its log, but the error beside the RMSE does, to three digits, and
    told it apart from the others of that structure. `weights.ZZZ.after` are what nnp-train wrote after the epoch.
    """
    from cambrian.data import read
    from cambrian.deploy.n2p2_import import import_n2p2

    folder = Path(__file__).parent / "n2p2_filter"
    potential, data = import_n2p2(folder, units="eV, Å"), read(folder / "input.data", units="eV, Å")
    solver = KalmanFilter(
        streams=1,
        force_energy_ratio=32 / 6,
        force_update_weight=3.0,
        memory=StandardFilter(),
        units=FixedUnits(energy=1 / 20.0, force=2.0 / 20.0),
    )
    course = solver.course(Problem(potential, data))
    updates = json.loads((folder / "updates.json").read_text())
    assert course.per_epoch == len(updates) == 38
    for structure, *component in updates:
        component = tuple(component) or None
        course._update("force" if component else "energy", [Candidate(structure, component)])
    network = next(t for t in potential.terms() if isinstance(t, DescriptorPotential)).regressor
    for s, number in enumerate(("001", "008")):
        layers = [network.layer(k, s) for k in range(3)]
        ours = torch.cat([torch.cat([w.flatten(), b]) for w, b in layers]).detach().numpy()
        theirs = np.loadtxt(folder / f"weights.{number}.after", usecols=0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_learns_with_several_streams_blocks_and_repeated_energies():
    data = clusters(20, seed=0)
    for solver in (
        KalmanFilter(epochs=3, streams=8, repeat_energy=True),
        KalmanFilter(epochs=3, covariance=ByLayers(block=10), candidates=RandomCandidates(), units=ByLabels()),
    ):
        figures = fit(network(), data, solver).metrics()
        assert figures["train"]["force_rmse"] < 0.2
        assert figures["validation"]["energy_rmse"] < 0.05


def test_same_seed_same_result():
    data = clusters(6, seed=0)

    def weights(seed):
        potential = fit(network(), data, KalmanFilter(epochs=1), seed=seed).potential
        return torch.nn.utils.parameters_to_vector(potential.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_energies_alone_are_enough():
    data = clusters(8, seed=0).map(lambda s: type(s)(s.atoms, energy=s.energy))
    figures = fit(network(), data, KalmanFilter(epochs=8)).metrics()["train"]
    assert figures["energy_rmse"] < 0.1


def test_faults_are_said(monkeypatch):
    from cambrian.fit import covariance_layout

    data = clusters(3, seed=0)
    with pytest.raises(UserError, match="nothing to train"):
        fit(Frozen(network()), data, KalmanFilter())
    with pytest.raises(UserError, match="streams >= 1"):
        KalmanFilter(streams=0)
    monkeypatch.setattr(covariance_layout, "available_memory", lambda: 1000.0)
    with pytest.raises(UserError, match="ByLayers"):
        fit(network(), data, KalmanFilter(covariance=FullCovariance()))


def test_sizes_of_layers():
    tensors = [torch.zeros(30), torch.zeros(5), torch.zeros(50), torch.zeros(3)]
    assert ByLayers(block=20).sizes(tensors) == [20, 15, 20, 20, 13]
    assert sum(ByLayers(block=20).sizes(tensors)) == 88
