"""Transport coefficients of processes whose coefficients are known in closed form."""

import numpy as np
import pytest
from planted_motion import langevin
from scipy.signal import lfilter

from cambrian.errors import UserError
from cambrian.math.transport import (
    Estimate,
    arrhenius,
    blocks,
    einstein,
    green_kubo,
    heat_conduction,
    onsager,
    ratio,
    running_integral,
    yeh_hummer,
)


def coefficients(positions, velocities, n_blocks=5, n_lags=120, dt=0.1):
    return (
        einstein(blocks(positions, n_blocks), dt, n_lags),
        green_kubo(blocks(velocities, n_blocks), dt, n_lags),
    )


@pytest.mark.parametrize(("kT", "mass", "friction"), [(1.0, 1.0, 1.0), (0.5, 4.0, 2.0)])
def test_both_routes_give_kT_over_m_gamma_for_langevin_particles(kT, mass, friction):
    positions, velocities = langevin(4000, 60, kT=kT, mass=mass, friction=friction)
    expected = kT / (mass * friction)
    routes = coefficients(positions, velocities)
    for found in routes:
        assert found.estimate.error < 0.05 * expected
        assert abs(found.estimate.value - expected) < 3.5 * found.estimate.error
        assert abs(found.drift.value) < 4 * found.drift.error
    einstein_, green_kubo_ = routes
    # one trajectory, and the same weights of lags: they differ by less than either errs
    assert abs(einstein_.estimate.value - green_kubo_.estimate.value) < green_kubo_.estimate.error


def test_errors_are_those_that_repetitions_show():
    found = []
    for seed in range(80):
        positions, velocities = langevin(1600, 4, seed=seed)
        found.append([c.estimate for c in coefficients(positions, velocities, n_blocks=4, n_lags=160)])
    values = np.array([[e.value for e in pair] for pair in found])
    errors = np.array([[e.error for e in pair] for pair in found])
    spread = values.std(axis=0, ddof=1)
    assert (np.abs(values.mean(axis=0) - 1.0) < 3.5 * spread / np.sqrt(len(values))).all()
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), spread, rtol=0.25)


def test_the_curves_are_the_exact_ones():
    positions, velocities = langevin(20000, 60, seed=3)
    einstein_, green_kubo_ = coefficients(positions, velocities)
    t = einstein_.lags
    np.testing.assert_allclose(einstein_.curve, t - 1 + np.exp(-t), atol=4.5 * einstein_.band.max())
    np.testing.assert_allclose(green_kubo_.curve, 1 - np.exp(-t), atol=4.5 * green_kubo_.band.max())
    assert green_kubo_.band.max() < 0.03


def test_a_window_inside_the_ballistic_range_drifts():
    positions, velocities = langevin(4000, 60)
    for found in coefficients(positions, velocities, n_lags=8):
        assert found.drift.value > 5 * found.drift.error
    times = np.arange(500.0)[:, None, None]
    flights = [times * v for v in np.random.default_rng(0).normal(size=(4, 1, 20, 3))]
    assert einstein(flights, 1.0, 100).drift.significant


def test_bound_particles_do_not_diffuse():
    t = 0.1 * np.arange(4000)
    phase = np.random.default_rng(1).uniform(0, 2 * np.pi, size=(50, 3))
    angle = 1.7 * t[:, None, None] + phase
    for found in coefficients(np.sin(angle), 1.7 * np.cos(angle), n_lags=400):
        assert abs(found.estimate.value) < 5e-3


def test_running_integral():
    t = np.linspace(0, 3, 301)
    np.testing.assert_allclose(running_integral(np.stack([np.cos(t), t]), 0.01), [np.sin(t), t**2 / 2], atol=1e-4)


def mixture(n_times, seed, *, share, conductivity=1.0):
    """An energy flux that is `share` of a diffusive mass flux, and an independent part with a known integral."""
    rng = np.random.default_rng(seed)
    kept = 0.8
    noise = np.asarray(lfilter([1.0], [1.0, -kept], rng.normal(size=(n_times + 200, 2, 3)), axis=0))[200:]
    exact = 0.5 / (1 - kept) ** 2  # ½ Σ_k C(k) over both signs: what trapezoids give for C(k) = φ^k / (1 - φ²)
    own, mass = np.sqrt(conductivity / exact) * noise[:, :1], noise[:, 1:]
    return np.concatenate([own + share * mass, mass], axis=1)


def test_heat_that_is_carried_by_mass_is_taken_out():
    for share in (0.0, 2.0, -5.0):  # the same conductivity, whatever the zero of the atomic energies
        fluxes = [mixture(20000, seed, share=share) for seed in range(4)]
        found = heat_conduction(fluxes, 1.0, 60)
        assert abs(found.estimate.value - 1.0) < 3.5 * found.estimate.error
        assert found.estimate.error < 0.1
    naive = green_kubo([f[:, :1] for f in fluxes], 1.0, 60)
    assert naive.estimate.value > 100
    matrix = onsager(fluxes, 1.0, 60)[:, -1].mean(axis=0)
    np.testing.assert_array_equal(matrix, matrix.T)
    shares = np.linalg.solve(matrix[1:, 1:], matrix[1:, 0])
    assert shares[0] == pytest.approx(-5.0, abs=0.2)


def test_mass_fluxes_that_lead_nowhere_are_left_alone():
    rng = np.random.default_rng(5)
    vibration = np.diff(rng.normal(size=(4, 20001, 1, 3)), axis=1)
    fluxes = [np.concatenate([mixture(20000, k, share=0.0)[:, :1] + 3 * v, v], axis=1) for k, v in enumerate(vibration)]
    found = heat_conduction(fluxes, 1.0, 60)
    assert abs(found.estimate.value - 1.0) < 3.5 * found.estimate.error
    assert found.estimate.error < 0.1


def test_estimates():
    samples = np.random.default_rng(2).normal(5.0, 2.0, size=400)
    found = Estimate.of(samples)
    assert found.error == pytest.approx(0.1, rel=0.1)
    assert found.times(-2).error == pytest.approx(2 * found.error)
    assert Estimate(1.0, 0.3).apart(Estimate(2.0, 0.4)) == pytest.approx(2.0)
    assert Estimate(1.0, 0.0).apart(Estimate(1.0, 0.0)) == 0
    assert np.isnan(Estimate.of(samples[:1]).error)


def test_error_of_a_ratio_of_samples_that_belong_together():
    rng = np.random.default_rng(4)
    common = rng.normal(10.0, 2.0, size=(300, 12))
    top, bottom = 3 * common + 0.3 * rng.normal(size=common.shape), common
    found = [ratio(t, b) for t, b in zip(top, bottom, strict=True)]
    values = np.array([f.value for f in found])
    assert values.mean() == pytest.approx(3.0, abs=3e-3)
    assert np.mean([f.error for f in found]) == pytest.approx(values.std(), rel=0.15)
    assert np.isnan(ratio(top[0, :1], bottom[0, :1]).error)


def test_finite_size_correction_of_a_known_case():
    # water at 298 K and 0.89 mPa s in a box of 20 Å: kT/(6πηL) = 1.2261e-10 m²/s
    kT, viscosity, length = 1.380649e-23 * 298, 0.89e-3, 20e-10
    assert yeh_hummer(kT, viscosity, length) == pytest.approx(2.837297 * 1.22612e-10, rel=1e-4)


def test_arrhenius_line_and_its_errors():
    kT = np.array([0.05, 0.06, 0.08, 0.1])
    exact = 3.0 * np.exp(-0.4 / kT)
    energy, prefactor = arrhenius(kT, exact, 0.1 * exact)
    assert energy.value == pytest.approx(0.4)
    assert np.exp(prefactor.value) == pytest.approx(3.0)
    rng = np.random.default_rng(0)
    noisy = [arrhenius(kT, exact * np.exp(0.1 * rng.normal(size=4)), 0.1 * exact)[0].value for _ in range(300)]
    assert np.std(noisy) == pytest.approx(energy.error, rel=0.15)
    with pytest.raises(UserError, match="positive values"):
        arrhenius(kT, exact - exact[1], 0.1 * exact)


def test_a_window_of_a_few_frames_is_refused():
    with pytest.raises(UserError, match="too short to read"):
        einstein([np.zeros((20, 2, 3))], 1.0, 5)
