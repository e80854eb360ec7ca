"""Evidence: at the maximum its numerical gradient vanishes; textbook formulas; planted noise and relevance; sklearn."""

import numpy as np
import pytest

from cambrian.math.evidence import one_each, one_for_all

TIGHT = {"tolerance": 1e-10, "most_iterations": 5000}


def planted(n_rows=400, n_columns=12, *, relevant=5, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns)) @ (np.eye(n_columns) + 0.3 * rng.normal(size=(n_columns, n_columns)))
    z = np.where(np.arange(n_columns) < relevant, rng.normal(size=n_columns) * 2, 0.0)
    return X, X @ z + noise * rng.normal(size=n_rows), z


def triangle(X, y):
    factor = np.linalg.qr(np.column_stack([X, y]), mode="r")
    return factor[:, :-1], factor[:, -1]


def log_evidence(X, y, alpha, beta):
    """log N(y; 0, 1/β + X α⁻¹ Xᵀ), written out over the rows: no formula in common with the code."""
    covariance = np.eye(len(y)) / beta + (X / alpha) @ X.T
    sign, volume = np.linalg.slogdet(2 * np.pi * covariance)
    assert sign > 0
    return -0.5 * (volume + y @ np.linalg.solve(covariance, y))


def slope(function, at, step=1e-4):
    return (function(at * np.exp(step)) - function(at * np.exp(-step))) / (2 * step)


def test_one_for_all_is_the_maximum_of_the_evidence():
    X, y, z = planted()
    found = one_for_all(*triangle(X, y), len(y))
    alpha, beta = found.alpha[0], found.beta
    every = np.ones(X.shape[1])
    assert found.log_evidence == pytest.approx(log_evidence(X, y, found.alpha, beta), rel=1e-10)
    assert slope(lambda a: log_evidence(X, y, a * every, beta), alpha) == pytest.approx(0, abs=1e-6)
    assert slope(lambda b: log_evidence(X, y, alpha * every, b), beta) == pytest.approx(0, abs=1e-6)
    assert 1 / np.sqrt(beta) == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(found.mean, z, atol=0.05)


def test_the_equations_of_the_textbook_hold():
    """γ = Σ βe/(α + βe), α = γ/|m|², β = (n - γ)/|y - Xm|² with e the eigenvalues of XᵀX."""
    X, y, _ = planted(noise=2.0)
    found = one_for_all(*triangle(X, y), len(y))
    alpha, beta, e = found.alpha[0], found.beta, np.linalg.eigvalsh(X.T @ X)
    A = beta * X.T @ X + alpha * np.eye(X.shape[1])
    gamma = (beta * e / (alpha + beta * e)).sum()
    np.testing.assert_allclose(found.mean, beta * np.linalg.solve(A, X.T @ y), rtol=1e-9)
    np.testing.assert_allclose(found.root @ found.root.T, np.linalg.inv(A), rtol=1e-9, atol=1e-15)
    assert found.decided.sum() == pytest.approx(gamma, rel=1e-9)
    assert alpha == pytest.approx(gamma / np.square(found.mean).sum(), rel=1e-8)
    assert beta == pytest.approx((len(y) - gamma) / np.square(y - X @ found.mean).sum(), rel=1e-8)


def test_more_columns_than_rows():
    X, y, _ = planted(n_rows=20, n_columns=30, noise=0.5)
    found = one_for_all(X, y, 20)
    A = found.beta * X.T @ X + found.alpha[0] * np.eye(30)
    np.testing.assert_allclose(found.root @ found.root.T, np.linalg.inv(A), rtol=1e-7, atol=1e-12)
    assert found.log_evidence == pytest.approx(log_evidence(X, y, found.alpha, found.beta), rel=1e-9)
    assert found.decided.sum() < 20
    assert one_each(X, y, 20, tolerance=1e-3, most_iterations=100).kept.sum() < 20


def test_one_each_is_the_maximum_of_the_evidence_and_leaves_out_what_is_irrelevant():
    X, y, z = planted()
    found = one_each(*triangle(X, y), len(y), **TIGHT)
    kept = found.kept
    assert kept[:5].all()
    assert kept.sum() < 12
    alpha, beta, X_kept = found.alpha[kept], found.beta, X[:, kept]
    assert found.log_evidence == pytest.approx(log_evidence(X_kept, y, alpha, beta), rel=1e-10)
    for k in range(kept.sum()):
        scale = np.where(np.arange(kept.sum()) == k, 1.0, 0.0)
        tilted = slope(lambda a: log_evidence(X_kept, y, alpha * a**scale, beta), 1.0)  # noqa: B023
        assert tilted == pytest.approx(0, abs=1e-4)
    assert slope(lambda b: log_evidence(X_kept, y, alpha, b), beta) == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(found.mean, z, atol=0.03)
    assert (found.mean[~kept] == 0).all()
    assert found.log_evidence > one_for_all(X, y, len(y)).log_evidence


def test_what_was_left_out_would_not_have_raised_the_evidence():
    X, y, _ = planted(n_columns=20, seed=3)
    found = one_each(*triangle(X, y), len(y), **TIGHT)
    assert not found.kept.all()
    for k in np.flatnonzero(~found.kept):
        for alpha in 10.0 ** np.arange(-2, 7):
            tried = np.append(found.alpha[found.kept], alpha)
            columns = np.append(np.flatnonzero(found.kept), k)
            assert log_evidence(X[:, columns], y, tried, found.beta) < found.log_evidence + 1e-4


def test_the_posterior_of_one_each_is_that_of_its_columns():
    X, y, _ = planted(noise=1.0)
    found = one_each(*triangle(X, y), len(y), **TIGHT)
    X_kept = X[:, found.kept]
    A = found.beta * X_kept.T @ X_kept + np.diag(found.alpha[found.kept])
    covariance = (found.root @ found.root.T)[np.ix_(found.kept, found.kept)]
    np.testing.assert_allclose(covariance, np.linalg.inv(A), rtol=1e-8)
    np.testing.assert_allclose(found.mean[found.kept], found.beta * np.linalg.solve(A, X_kept.T @ y), rtol=1e-8)


def test_exact_data_have_next_to_no_noise_and_no_data_leave_nought():
    X, y, z = planted(noise=0.0)
    for found in (one_for_all(X, y, len(y)), one_each(X, y, len(y), tolerance=1e-3, most_iterations=500)):
        np.testing.assert_allclose(found.mean, z, atol=1e-6)
        assert found.beta > 1e12
    for nothing in (one_for_all(X, 0 * y, len(y)), one_each(X, 0 * y, len(y), tolerance=1e-3, most_iterations=50)):
        assert (nothing.mean == 0).all()


def test_both_equal_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y, _ = planted(noise=0.5)
    flat = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0, "fit_intercept": False, "tol": 1e-12}
    theirs = linear_model.BayesianRidge(max_iter=10000, **flat).fit(X, y)
    found = one_for_all(*triangle(X, y), len(y))
    np.testing.assert_allclose(found.mean, theirs.coef_, rtol=1e-7)
    assert found.beta == pytest.approx(theirs.alpha_, rel=1e-7)
    assert found.alpha[0] == pytest.approx(theirs.lambda_, rel=1e-7)
    sparse = linear_model.ARDRegression(max_iter=2000, threshold_lambda=1e8, **flat).fit(X, y)
    each = one_each(*triangle(X, y), len(y), **TIGHT)
    np.testing.assert_allclose(each.mean, sparse.coef_, atol=2e-4)
