"""Nonlinear least squares: planted parameters are found, errors are those of the theory, faults are said."""

import numpy as np
import pytest
import torch
from pair_structures import cluster, labelled, skewed
from scipy.optimize import curve_fit

from cambrian.classical.buckingham_coulomb import BuckinghamCoulomb
from cambrian.classical.harmonic import Harmonic
from cambrian.classical.lennard_jones import LennardJones, LorentzBerthelot
from cambrian.classical.morse import Morse
from cambrian.classical.zbl import ZBL
from cambrian.contracts import Frozen
from cambrian.data import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.nonlinear_least_squares import NonlinearLeastSquares

PLANTED = [
    LennardJones(
        epsilon={"Ar": 0.0103, "Ar-Kr": 0.0122, "Kr": 0.0141}, sigma={"Ar": 3.4, "Ar-Kr": 3.5, "Kr": 3.65}, cutoff=7.0
    ),
    LennardJones(
        epsilon={"Ar": 0.0103, "Kr": 0.0141}, sigma={"Ar": 3.4, "Kr": 3.65}, cutoff=7.0, mixing=LorentzBerthelot()
    ),
    Morse(
        depth={"Ar": 0.3, "Ar-Kr": 0.5, "Kr": 0.2},
        width={"Ar": 1.4, "Ar-Kr": 1.2, "Kr": 1.0},
        distance={"Ar": 3.2, "Ar-Kr": 3.1, "Kr": 3.6},
        cutoff=7.0,
    ),
    Harmonic(strength={"Ar": 0.3, "Ar-Kr": 0.5, "Kr": 0.2}, distance={"Ar": 3.2, "Ar-Kr": 3.1, "Kr": 3.6}, cutoff=5.0),
    BuckinghamCoulomb(strength=900.0, rate=2.9, dispersion=40.0, charges={"Ar": 0.5, "Kr": -0.5}, cutoff=7.0),
]
STRUCTURES = [skewed(seed=k, rattle=0.4, length=7.0 + 0.2 * k) for k in range(3)] + [cluster(seed=k) for k in range(2)]


def without_values(potential):
    """The same form with nothing given."""
    known = {k: v for k, v in potential.arguments.items() if k in ("cutoff", "mixing", "truncation", "charges")}
    return type(potential)(**known)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: type(p).__name__)
def test_planted_parameters_are_found(planted):
    if isinstance(planted, BuckinghamCoulomb):
        planted.setup(labelled(Morse(depth=1.0, width=1.0, distance=3.0), STRUCTURES))
    data = labelled(planted, STRUCTURES)
    result = fit(without_values(planted), data, NonlinearLeastSquares(tolerance=1e-14, starts=1))
    found, true = result.potential.by_name(), planted.by_name()
    for pair, values in true.items():
        for name, value in values.items():
            if name not in ("guard", "coulomb"):
                assert found[pair][name] == pytest.approx(value, rel=1e-6), (pair, name)
    assert result.parts["train"].errors.figures()["force_rmse"] < 1e-7


def noisy(data: Dataset, sigma: float, seed: int) -> Dataset:
    from dataclasses import replace

    rng = np.random.default_rng(seed)
    return data.map(
        lambda s: replace(s, energy=float("nan"), stress=None, forces=s.forces + rng.normal(0, sigma, s.forces.shape))
    )


def test_covariance_equals_curve_fit():
    """The same forces of pairs along one line, fitted by scipy in the same logarithms."""
    from ase import Atoms

    distances = np.linspace(3.3, 6.0, 30)
    pairs = [Atoms("Ar2", positions=[[0, 0, 0], [0, 0, r]]) for r in distances]
    planted = Morse(depth={"Ar": 0.3}, width=1.4, distance=3.6, cutoff=9.0)
    data = noisy(labelled(planted, pairs), 0.01, 7)
    result = fit(Morse(depth=0.2, width=1.0, distance=3.8, cutoff=9.0), data, NonlinearLeastSquares(starts=1))

    def force(r, log_depth, log_width, log_distance):
        depth, width, r0 = np.exp([log_depth, log_width, log_distance])

        def slope(x):
            u = np.exp(-width * (x - r0))
            return -2 * depth * width * u * (u - 1)

        return -(slope(r) - slope(9.0))

    # only z components carry information; the others are zero residuals and add to the degrees of freedom alone
    measured = np.array([s.forces[:, 2] for s in data]) * [-1, 1]
    best, covariance = curve_fit(force, np.repeat(distances, 2), measured.ravel(), p0=np.log([0.2, 1.0, 3.8]))
    figures = result.solution.figures
    np.testing.assert_allclose(list(figures["parameters"].values()), best, rtol=1e-6)
    residual = measured.ravel() - force(np.repeat(distances, 2), *best)
    ours = (figures["weighted_rms"] ** 2 * figures["n_residuals"]) / (figures["n_residuals"] - 3)
    theirs = (residual**2).sum() / (len(residual) - 3)
    np.testing.assert_allclose(np.array(figures["covariance"]) / ours, covariance / theirs, rtol=1e-3)
    np.testing.assert_allclose(list(figures["standard_errors"].values()), np.sqrt(np.diag(figures["covariance"])))


def test_a_ridge_holds_parameters_that_the_data_do_not_tell():
    """Springs between atoms that all stand at one distance: strength and distance trade off exactly in the energy."""
    from ase import Atoms

    data = labelled(
        Harmonic(strength=2.0, distance=3.0, cutoff=5.0), [Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.3]])]
    )
    data = data.map(lambda s: type(s)(s.atoms, energy=s.energy))
    start = {"strength": 1.0, "distance": 2.9, "cutoff": 5.0}
    loose = fit(Harmonic(**start), data, NonlinearLeastSquares(starts=1))
    assert loose.solution.figures["condition_number"] > 1e8
    assert any("told only together" in note for note in loose.solution.notes)
    held = fit(Harmonic(**start), data, NonlinearLeastSquares(starts=1, ridge=1e-2))
    assert held.solution.figures["condition_number"] < 1e8
    assert held.potential.log_distance.item() == pytest.approx(np.log(2.9), abs=0.2)


def test_zero_stays_zero_and_frozen_stays_frozen():
    planted = BuckinghamCoulomb(strength=900.0, rate=2.9, dispersion=0.0, cutoff=7.0)
    data = labelled(planted, STRUCTURES[:3])
    potential = Frozen(ZBL()) + BuckinghamCoulomb(dispersion=0.0, cutoff=7.0)
    result = fit(potential, data, NonlinearLeastSquares(starts=1))
    _, pairs = result.potential.terms()
    assert (pairs.table()["dispersion"] == 0).all()
    assert all(v["rate"] == pytest.approx(2.9, rel=1e-6) for v in pairs.by_name().values())


def test_starts_find_another_basin_and_repeat_themselves():
    planted = Morse(depth={"Ar": 0.4}, width=2.5, distance=3.1, cutoff=8.0)
    data = labelled(planted, [cluster("Ar5", seed=k) for k in range(2)])
    runs = [
        fit(Morse(depth=0.4, width=2.5, distance=4.4, cutoff=8.0), data, NonlinearLeastSquares(starts=8), seed=3)
        for _ in range(2)
    ]
    torch.testing.assert_close(runs[0].potential.log_depth, runs[1].potential.log_depth, rtol=0, atol=0)
    assert runs[0].potential.by_name()["Ar", "Ar"]["distance"] == pytest.approx(3.1, rel=1e-6)
    assert len(runs[0].solution.figures["starts"]) > 4
    losses = [row["train_loss"] for row in runs[0].solution.history]
    assert losses == sorted(losses, reverse=True)


def test_faults_are_said():
    data = labelled(PLANTED[0], STRUCTURES[:1])
    with pytest.raises(UserError, match="nothing to fit"):
        fit(Frozen(LennardJones(epsilon=1.0, sigma=1.0)), data, NonlinearLeastSquares())
    with pytest.raises(UserError, match="one start"):
        NonlinearLeastSquares(starts=0)
    with pytest.raises(UserError, match="not finite"):
        fit(LennardJones(epsilon=1.0, sigma=1e60), data, NonlinearLeastSquares())
