"""Solvers against closed forms: least squares by numpy, planted coefficients, resume to the bit, energies alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Sum
from cambrian.contracts.regressor import Regressor
from cambrian.data import Dataset, Structure
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.fit import Problem, Weights, fit
from cambrian.fit import gradient_descent as descent
from cambrian.fit import problem as problem_module
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import graph_of, sum_over_neighbors
from cambrian.regressors.linear import LinearRegressor


class PairHistogram(Descriptor):
    """Gaussian bins of distances under a cosine."""

    def __init__(self, *, cutoff: float = 4.0, n_bins: int = 6):
        super().__init__()
        self.cutoff, self.n_features = cutoff, n_bins
        self.register_buffer("centers", torch.linspace(1.5, cutoff, n_bins, dtype=torch.float64))

    def features(self, graph):
        distance = graph.r_ij.norm(dim=-1)[:, None]
        bins = torch.exp(-(((distance - self.centers) / 0.5) ** 2))
        return sum_over_neighbors(bins * 0.5 * (1 + torch.cos(np.pi * distance / self.cutoff)), graph)

    @classmethod
    def example(cls):
        return cls()


class TwoLayers(Regressor):
    """A network of five hidden nodes, all elements alike."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Parameter(torch.zeros(0))
        self.second = torch.nn.Parameter(torch.zeros(0))

    def setup(self, features, species, n_species):
        generator = torch.Generator().manual_seed(3)
        draw = {"generator": generator, "dtype": features.dtype}
        self.first = torch.nn.Parameter(0.3 * torch.randn(features.shape[1], 5, **draw))
        self.second = torch.nn.Parameter(0.3 * torch.randn(5, **draw))

    def forward(self, features, species):
        return torch.tanh(features @ self.first) @ self.second

    @classmethod
    def example(cls):
        return cls()


def planted(regressor, *, n=12, seed=0, forces=True, stress=True) -> Dataset:
    """Rattled silicon-carbide cells labelled by a potential of known coefficients."""
    rng = np.random.default_rng(seed)
    structures = []
    for k in range(n):
        atoms = bulk("SiC", "zincblende", a=4.4 * rng.uniform(0.95, 1.05), cubic=True)
        atoms.rattle(0.15, rng=rng)
        structures.append(Structure(atoms, frame=k))
    truth = DescriptorPotential(PairHistogram(), regressor)
    truth.setup(Dataset(structures))
    with torch.no_grad():
        for p in truth.parameters():
            p.copy_(torch.from_numpy(rng.normal(size=tuple(p.shape))))
    labelled = []
    for s in structures:
        p = evaluate(truth, graph_of(s.atoms, truth.cutoff))
        labelled.append(
            Structure(
                s.atoms,
                energy=float(p.energy[0]),
                forces=p.forces.numpy() if forces else None,
                stress=p.stress[0].numpy() if stress else None,
                frame=s.frame,
            )
        )
    return Dataset(labelled)


def test_least_squares_recovers_planted_coefficients():
    data = planted(LinearRegressor())
    potential = DescriptorPotential(PairHistogram(), LinearRegressor())
    result = fit(potential, data, LeastSquares(ridge=0.0))
    metrics = result.metrics()["train"]
    assert metrics["energy_rmse"] < 1e-9
    assert metrics["force_max"] < 1e-8
    assert metrics["stress_rmse"] < 1e-9
    assert (
        result.solution.figures["rank"] == result.solution.figures["n_coefficients"] - 1
    )  # SiC fixes only the sum of constants
    assert "1 of their combinations are left open" in result.solution.notes[0]


def test_least_squares_equals_numpy_on_stacked_rows():
    data = planted(TwoLayers())  # not linear: the residual is not zero
    solver = LeastSquares(energy_weight=30.0, stress_weight=5.0, ridge=1e-3, rcond=1e-15)
    potential = IsolatedAtoms({"Si": -1.0, "C": -2.0}) + DescriptorPotential(PairHistogram(), LinearRegressor())
    potential.setup(data)
    problem = Problem(potential, data)
    rows = list(problem.blocks(Weights(30.0, 1.0, 5.0)))
    X, y = np.vstack([b[0] for b in rows]), np.concatenate([b[1] for b in rows])
    norms = np.linalg.norm(X, axis=0)
    expected = np.linalg.solve(X.T @ X + 1e-3 * np.diag(norms**2), X.T @ y)
    solver.solve(problem)
    found = problem.linear_terms()[0].coefficients.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_blocks_are_the_derivatives_of_the_prediction():
    data = planted(LinearRegressor(), n=1)
    potential = DescriptorPotential(PairHistogram(), LinearRegressor())
    potential.setup(data)
    problem = Problem(potential, data)
    ((X, y),) = problem.blocks(Weights(1.0, 1.0, 1.0))
    (view,) = problem.linear_terms()
    values = torch.from_numpy(np.random.default_rng(1).normal(size=X.shape[1]))
    view.coefficients = values
    residual = problem.residuals(problem.prepared(data), Weights(1.0, 1.0, 1.0))
    np.testing.assert_allclose(X @ values.numpy() - y, residual, atol=1e-12)


def test_rows_made_together_are_those_of_each_structure(monkeypatch):
    data = planted(TwoLayers(), n=6).map(
        lambda s: replace(s, forces=None if s.frame == 3 else s.forces, stress=None if s.frame > 2 else s.stress)
    )
    terms = [DescriptorPotential(SO4Bispectrum(cutoff=4.0, two_j_max=2), LinearRegressor())]
    terms += [DescriptorPotential(PairHistogram(), LinearRegressor()), IsolatedAtoms({"Si": -1.0, "C": -2.0})]
    potential = Sum(terms)
    potential.setup(data)
    weights = Weights(30.0, 2.0, 5.0)
    together = list(Problem(potential, data).blocks(weights))
    monkeypatch.setattr(problem_module, "ROW_ELEMENTS", 1)
    each = list(Problem(potential, data).blocks(weights))
    assert [len(y) for _, y in each] == [31, 31, 31, 1, 25, 25]
    for (X, y), (one_X, one_y) in zip(together, each, strict=True):
        np.testing.assert_allclose(X, one_X, rtol=0, atol=1e-12 * abs(one_X).max())
        np.testing.assert_allclose(y, one_y, rtol=0, atol=1e-12)


def test_least_squares_refuses_a_trainable_term_that_is_not_linear():
    data = planted(LinearRegressor(), n=2)
    potential = DescriptorPotential(PairHistogram(), TwoLayers()) + DescriptorPotential(
        PairHistogram(), LinearRegressor()
    )
    with pytest.raises(UserError, match="wrap it in Frozen"):
        fit(potential, data, LeastSquares())


def test_frozen_terms_are_subtracted():
    data = planted(LinearRegressor())
    baseline = DescriptorPotential(PairHistogram(n_bins=3), TwoLayers())
    potential = Frozen(baseline) + DescriptorPotential(PairHistogram(), LinearRegressor())
    shifted = []
    baseline.setup(data)
    for s in data:
        p = evaluate(baseline, graph_of(s.atoms, 4.0))
        stress = s.stress + p.stress[0].numpy()
        shifted.append(
            Structure(s.atoms, energy=s.energy + float(p.energy[0]), forces=s.forces + p.forces.numpy(), stress=stress)
        )
    metrics = fit(potential, Dataset(shifted), LeastSquares(ridge=0.0)).metrics()["train"]
    assert metrics["force_max"] < 1e-8
    assert metrics["energy_rmse"] < 1e-9


@pytest.mark.parametrize("solver", [LeastSquares(), GradientDescent(epochs=3)])
def test_energies_alone_are_enough(solver):
    data = planted(LinearRegressor(), forces=False, stress=False)
    metrics = fit(DescriptorPotential(PairHistogram(), LinearRegressor()), data, solver).metrics()["train"]
    assert metrics["energy_rmse"] is not None
    assert metrics["force_rmse"] is None
    assert metrics["stress_mae"] is None


def test_absent_labels_count_nowhere():
    full = planted(LinearRegressor())
    holes = [Structure(s.atoms, forces=s.forces) if k % 2 else s for k, s in enumerate(full)]
    metrics = fit(
        DescriptorPotential(PairHistogram(), LinearRegressor()), Dataset(holes), LeastSquares(ridge=0.0)
    ).metrics()
    assert metrics["train"]["force_max"] < 1e-7
    assert metrics["train"]["energy_rmse"] < 1e-8


def test_group_weights_multiply_rows_and_unknown_groups_are_refused():
    data = planted(TwoLayers(), n=4).map(
        lambda s: Structure(s.atoms, s.energy, s.forces, s.stress, group=f"g{s.frame % 2}")
    )
    weighted = data.with_group_weights({"g1": {"energy": 3.0, "force": 0.5, "stress": 2.0}})
    potential = DescriptorPotential(PairHistogram(), LinearRegressor())
    potential.setup(data)
    plain = list(Problem(potential, data).blocks(Weights(1.0, 1.0, 1.0)))
    heavy = list(Problem(potential, weighted).blocks(Weights(1.0, 1.0, 1.0)))
    n_forces = 3 * len(data[0])
    factor = np.concatenate([[3.0], np.full(n_forces, 0.5), np.full(6, 2.0)])
    np.testing.assert_allclose(heavy[1][1], factor * plain[1][1])
    np.testing.assert_allclose(heavy[0][1], plain[0][1])
    with pytest.raises(UserError, match="no structure belongs to group 'bulk'"):
        data.with_group_weights({"bulk": {"energy": 1.0}})


def test_gradient_descent_approaches_least_squares():
    data = planted(LinearRegressor(), stress=False)  # three bins cannot follow six: the optimum is not zero

    def objective(solver):
        figures = fit(DescriptorPotential(PairHistogram(n_bins=3), LinearRegressor()), data, solver).metrics()["train"]
        return 100 * figures["energy_rmse"] ** 2 + figures["force_rmse"] ** 2

    components = 3 * len(data[0])  # least squares sums what gradient descent averages
    optimum = objective(LeastSquares(energy_weight=10.0 * components**0.5))
    start = objective(GradientDescent(epochs=1, learning_rate=1e-9))
    found = objective(GradientDescent(epochs=1000, learning_rate=0.3, batch_size=12, validation_fraction=0.0))
    assert optimum < found < 1.02 * optimum < 0.5 * start


def test_an_interrupted_fit_resumes_to_the_bit(tmp_path, monkeypatch):
    data = planted(TwoLayers())

    def run(folder):
        potential = DescriptorPotential(PairHistogram(), TwoLayers())
        return fit(potential, data, GradientDescent(epochs=8, batch_size=3), seed=5, folder=folder)

    whole = run(None)
    count, epoch = [0], descent._Run.epoch

    def interrupted(self):
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt
        epoch(self)

    monkeypatch.setattr(descent._Run, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.setattr(descent._Run, "epoch", epoch)
    resumed = run(tmp_path)
    for a, b in zip(whole.potential.parameters(), resumed.potential.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row["train_loss"] for row in whole.solution.history] == [
        row["train_loss"] for row in resumed.solution.history
    ]


def test_the_same_seed_gives_the_same_result_and_another_does_not():
    data = planted(TwoLayers())

    def weights(seed):
        potential = DescriptorPotential(PairHistogram(), TwoLayers())
        fit(potential, data, GradientDescent(epochs=2, batch_size=3), seed=seed)
        return torch.nn.utils.parameters_to_vector(potential.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_time_limit_and_patience_end_training():
    data = planted(TwoLayers())
    limited = fit(
        DescriptorPotential(PairHistogram(), TwoLayers()), data, GradientDescent(epochs=10**6, max_minutes=0.01)
    )
    assert "time limit" in limited.solution.notes[0]
    still = GradientDescent(epochs=1000, learning_rate=0.0, patience=3)
    assert len(fit(DescriptorPotential(PairHistogram(), TwoLayers()), data, still).solution.history) < 10


def test_nothing_to_fit_is_said():
    bare = Dataset([Structure(bulk("Si"))])
    with pytest.raises(UserError, match="no structure has an energy or forces"):
        fit(DescriptorPotential(PairHistogram(), LinearRegressor()), bare, LeastSquares())
    with pytest.raises(UserError, match="no structures"):
        fit(DescriptorPotential(PairHistogram(), LinearRegressor()), Dataset([]), LeastSquares())


def test_a_test_set_with_a_new_element_is_refused():
    data = planted(LinearRegressor(), n=2)
    strange = Dataset([Structure(bulk("Ge"), energy=-1.0, source="other.xyz", frame=7)])
    with pytest.raises(UserError, match=r"other.xyz, frame 7: holds Ge"):
        fit(DescriptorPotential(PairHistogram(), LinearRegressor()), data, LeastSquares(), test=strange)


def test_metrics_are_plain_and_complete():
    data = planted(LinearRegressor(), n=4)
    metrics = fit(DescriptorPotential(PairHistogram(), LinearRegressor()), data, LeastSquares()).metrics()
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics["test"] is None
    assert {"fit_seconds", "n_parameters", "seed", "data_hash", "versions"} <= set(metrics)
    assert set(metrics["train"]) == {
        "energy_mae", "energy_rmse", "force_mae", "force_rmse", "force_max", "stress_mae", "stress_rmse",
        "n_structures", "groups",
    }  # fmt: skip


def test_features_too_large_for_memory_are_computed_anew_with_the_same_result(monkeypatch):
    data = planted(TwoLayers(), n=4)

    def weights():
        potential = DescriptorPotential(PairHistogram(), TwoLayers())
        fit(potential, data, GradientDescent(epochs=2, batch_size=2))
        return torch.nn.utils.parameters_to_vector(potential.parameters()).detach()

    stored = weights()
    monkeypatch.setattr(problem_module, "available_memory", lambda: 1000.0)
    torch.testing.assert_close(weights(), stored, rtol=1e-9, atol=1e-12)
