"""Committees: members that differ, the mean that is fitted, resumption, and spread that tells the error's size."""

import json

import numpy as np
import pytest
import torch
from small_learning import labelled, net, shells, tetrahedron

from cambrian.contracts import Committee, describe, load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.committee import advanced, fit_committee, weighted
from cambrian.graph import graph_of

DATA, TEST = labelled(16), labelled(10, seed=5, width=0.08)


def tensors(potential) -> list[torch.Tensor]:
    return list(potential.state_dict().values())


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def test_the_committee_is_the_mean_of_different_members():
    potential, solver = shells()
    found = fit_committee(potential, DATA, solver, n_members=3, test=TEST)
    assert isinstance(found.potential, Committee)
    graph = graph_of(tetrahedron(1.05), 5.0)
    energies = [float(evaluate(m, graph).energy[0]) for m in found.potential.members]
    assert np.ptp(energies) > 0
    assert float(evaluate(found.potential, graph).energy[0]) == pytest.approx(np.mean(energies), rel=1e-12)
    assert found.metrics()["test"]["force_rmse"] == pytest.approx(
        np.sqrt(np.mean([(p.forces - s.forces) ** 2 for s, p in zip(TEST, found.parts["test"].predicted, strict=True)]))
    )
    assert found.n_parameters == 3 * sum(p.numel() for p in found.potential.members[0].parameters())


def test_the_first_member_without_weights_is_the_plain_fit():
    potential, solver = net(epochs=8)
    found = fit_committee(potential, DATA, solver, n_members=2, resampling="none", seed=3)
    alone = fit(*_fresh(net(epochs=8)), seed=3)
    assert same(found.potential.members[0], alone.potential)
    assert not same(found.potential.members[1], alone.potential)


def _fresh(recipe):
    potential, solver = recipe
    return potential, DATA, solver


def test_members_that_come_out_alike_are_refused():
    potential, solver = shells()
    with pytest.raises(UserError, match=r"committee\.resampling=weights"):
        fit_committee(potential, DATA, solver, resampling="none")


def test_one_member_is_no_committee():
    potential, solver = shells()
    with pytest.raises(UserError, match="at least two"):
        fit_committee(potential, DATA, solver, n_members=1)


def test_every_seed_is_advanced_and_nothing_else():
    potential, solver = net(seed=3)
    told, expected = str(describe(advanced(potential, 10))), str(describe(potential))
    assert "'seed': 3" in expected
    assert told == expected.replace("'seed': 3", "'seed': 13")
    assert describe(advanced(solver, 10)) == describe(solver)


def test_weights_have_the_moments_of_the_bayesian_bootstrap():
    """Squares of the weights: mean one exactly, variance (n - 1) / (n + 1) (Dirichlet distribution)."""
    data = Dataset([Structure(tetrahedron())] * 50)
    squares = np.array([[s.weights["force"] ** 2 for s in weighted(data, [0, k])] for k in range(400)])
    np.testing.assert_allclose(squares.mean(axis=1), 1.0, rtol=1e-12)
    assert squares.var(axis=1).mean() == pytest.approx(49 / 51, rel=0.05)


def test_weights_multiply_those_of_the_data():
    data = Dataset([Structure(tetrahedron(), weights={"force": 3.0})] * 4)
    for s in weighted(data, [0]):
        assert s.weights["force"] == pytest.approx(3.0 * s.weights["energy"])


def test_an_interrupted_committee_goes_on_with_the_next_member(tmp_path):
    whole = fit_committee(*_fresh(net(epochs=10)), n_members=3, folder=tmp_path / "whole").potential

    def stop(stage, fraction, words):
        if words.startswith("member 2") and stage == "training" and "epoch 6" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_committee(*_fresh(net(epochs=10)), n_members=3, folder=tmp_path / "cut", progress=stop)
    assert (tmp_path / "cut" / "members" / "0" / "potential.safetensors").exists()
    assert (tmp_path / "cut" / "members" / "1" / "checkpoint.safetensors").exists()
    epochs = []

    def listen(stage, fraction, words):
        if stage == "training":
            epochs.append(words.split(",")[0])

    again = fit_committee(*_fresh(net(epochs=10)), n_members=3, folder=tmp_path / "cut", progress=listen).potential
    assert same(again, whole)
    assert epochs[0] == "member 2: epoch 7"
    assert len(epochs) == 4 + 10


def test_members_of_another_recipe_are_not_taken_up(tmp_path):
    first = fit_committee(*_fresh(shells()), n_members=2, folder=tmp_path).potential
    other = fit_committee(*_fresh(shells(n=5)), n_members=2, folder=tmp_path).potential
    assert len(other.members[0].regressor.coefficients) != len(first.members[0].regressor.coefficients)
    more = fit_committee(*_fresh(shells(n=5)), n_members=2, folder=tmp_path, seed=1).potential
    assert not same(more, other)


def test_saved_and_loaded_with_its_spread(tmp_path):
    found = fit_committee(*_fresh(shells()), n_members=2)
    loaded = load(save(found.potential, tmp_path / "potential.safetensors"))
    assert same(loaded, found.potential)


def test_the_spread_follows_the_errors():
    found = fit_committee(*_fresh(shells()), n_members=6, test=labelled(30, seed=9, width=0.15))
    figures = found.solution.figures
    assert figures["members"] == 6
    assert figures["spread_rank_correlation"] > 0.4
    assert "times the members' spread" in found.solution.notes[-1]
    json.dumps(figures)
