"""The awkward cases that the contracts have to carry, each against an independent formula or an identity."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from contracts.cases_data import labelled, rattled
from contracts.subjects import OWN, graph, shake, subject, usual_atoms
from contracts.test_potentials import close

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts import Committee, DescriptorPotential, Frozen, evaluate, uncertainty
from cambrian.data import Dataset, Labels
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.fit import Problem, Weights, fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.problem import loss
from cambrian.graph import batch, graph_of
from cambrian.regressors.linear import LinearRegressor
from cambrian.units import COULOMB


def coefficients(potential) -> torch.Tensor:
    return torch.cat([t.linear().coefficients for t in potential.terms() if t.linear()])


# a linear potential with a frozen repulsion


def snap_and_zbl():
    snap = DescriptorPotential(SO4Bispectrum(cutoff=3.0, two_j_max=2), LinearRegressor())
    return IsolatedAtoms({"H": -1.0, "C": 2.0, "O": 0.5}) + Frozen(ZBL.example()) + snap


def test_frozen_repulsion_is_subtracted():
    structures = rattled(usual_atoms(), 5)
    truth = snap_and_zbl()
    truth.setup(Dataset(structures))
    shake(truth)
    data = labelled(truth, structures)
    fitted = snap_and_zbl()
    result = fit(fitted, data, LeastSquares(ridge=0.0))
    close(coefficients(fitted), coefficients(truth), 1e-7)
    assert result.metrics()["train"]["force_max"] < 1e-8
    assert fitted.parts[1].potential.state_dict().keys() == truth.parts[1].potential.state_dict().keys()
    bare = ZBL.example() + DescriptorPotential(OWN["RaggedHistogram"].example(), LinearRegressor())
    with pytest.raises(UserError, match="wrap it in Frozen"):
        fit(bare, data, LeastSquares())


# GAP: two sparse kernels, one solve


def test_sparse_process_with_every_point_is_the_full_one():
    """METHODS 20.5, on energies: mean = k*ᵀ(K + σ²)⁻¹ y with K summed over the atoms of a structure."""
    molecules = [a for a in rattled([usual_atoms()[1]], 8)]
    rng = np.random.default_rng(3)
    noise, energies = 0.05, rng.normal(size=len(molecules))
    data = Dataset(replace(s, energy=float(e)) for s, e in zip(molecules, energies, strict=True))
    n_atoms = len(molecules[0])
    kernel = OWN["KernelRegressor"](n_points=len(data) * n_atoms, delta=0.7, jitter=1e-13)
    potential = DescriptorPotential(OWN["RaggedHistogram"].example(), kernel)
    fit(potential, data, LeastSquares(energy_weight=n_atoms / noise, ridge=0.0))

    features = [potential.descriptor.features(graph_of(s.atoms, potential.cutoff)).numpy() for s in data]
    numbers = data[0].atoms.numbers

    def similarity(first, second):
        squared = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
        same = numbers[:, None] == numbers[None]
        return (0.7**2 * np.exp(-squared / (2 * float(kernel.width) ** 2)) * same).sum()

    K = np.array([[similarity(a, b) for b in features] for a in features])
    mean = K @ np.linalg.solve(K + noise**2 * np.eye(len(K)), energies)
    found = [float(evaluate(potential, graph_of(s.atoms, potential.cutoff)).energy[0]) for s in data]
    np.testing.assert_allclose(found, mean, atol=1e-8)


def gap():
    local = DescriptorPotential(OWN["RaggedHistogram"].example(), OWN["KernelRegressor"](n_points=15))
    return OWN["PairKernel"](n_points=8) + local


def test_two_sparse_kernels_are_one_solve():
    """Against the normal equations of METHODS 20.2 in numpy: (Kᵀ Λ⁻¹ K + K_MM) α = Kᵀ Λ⁻¹ y, both kernels together."""
    structures = rattled(usual_atoms(), 4)
    truth = gap()
    truth.setup(Dataset(structures))
    data = labelled(shake(truth), structures)
    fitted = gap()
    fit(fitted, data, LeastSquares(energy_weight=20.0, force_weight=5.0, stress_weight=0.0, ridge=0.0))

    X, y = [], []
    for s in data:
        rows = [t.linear().rows(graph_of(s.atoms, t.cutoff)) for t in fitted.terms()]
        X.append(20.0 / len(s) * np.hstack([r.energy.numpy() for r in rows]))
        X.append(5.0 * np.hstack([r.forces.flatten(0, 1).numpy() for r in rows]))
        y += [[20.0 / len(s) * s.energy], 5.0 * s.forces.ravel()]
    X, y = np.vstack(X), np.concatenate(y)
    factors = [t.linear().prior().numpy() for t in fitted.terms()]
    K = np.zeros((X.shape[1], X.shape[1]))
    K[:8, :8], K[8:, 8:] = (f.T @ f for f in factors)
    alpha = np.linalg.solve(X.T @ X + K, X.T @ y)
    cost = [np.sum((X @ a - y) ** 2) + a @ K @ a for a in (coefficients(fitted).numpy(), alpha)]
    assert cost[0] < cost[1] * (1 + 1e-9)
    np.testing.assert_allclose(X @ coefficients(fitted).numpy(), X @ alpha, atol=1e-5 * np.abs(y).max())


# charges of the whole molecule, fed into a short-range network


def test_charges_are_at_the_minimum_and_add_up():
    """Any other charges of the same total have a higher energy Σ χQ + ½ QᵀAQ; molecules of a batch do not mix."""
    s = subject("EquilibratedCharges")
    totals = [0.0, 1.0, -1.0]
    whole = replace(graph(s.potential, *s.atoms), total_charge=torch.tensor(totals, dtype=torch.float64))
    found = evaluate(s.potential, whole)
    sums = torch.zeros(3, dtype=torch.float64).index_add(0, whole.structure, found.charges)
    close(sums, np.array(totals), 1e-12)
    chi = (s.potential.electronegativity[whole.numbers] * s.potential.surroundings(whole)).sum(dim=-1).detach()
    A, place, _ = s.potential.interaction(whole)
    slope = chi + torch.einsum("sij,sj->si", A, torch.zeros(A.shape[:2]).to(A).index_put(place, found.charges))[place]
    for k in range(3):
        members = slope[whole.structure == k].detach()
        close(members, members.mean().expand(len(members)), 1e-10)  # every atom has the same chemical potential
    for k, atoms in enumerate(s.atoms):
        alone = evaluate(s.potential, graph_of(atoms, s.potential.cutoff, total_charge=totals[k]))
        close(found.charges[whole.structure == k], alone.charges, 1e-12)
        close(found.energy[k], alone.energy[0], 1e-12)


def test_far_end_feels_the_charge():
    """What 2G cannot do: a change 8 Å away, beyond the cutoff, changes the forces here."""
    potential = OWN["EquilibratedCharges"]()
    near, far = Atoms("CO", [[0, 0, 0], [1.2, 0, 0]]), Atoms("OC", [[9.0, 0, 0], [10.2, 0, 0]])
    stretched = far.copy()
    stretched.positions[1, 0] += 0.3
    first, second = (evaluate(potential, graph(potential, near + other)).forces[:2] for other in (far, stretched))
    assert (first - second).abs().max() > 1e-4


# long range beside messages


@pytest.mark.parametrize("cutoff", [4.0, 6.5, 9.0])
@pytest.mark.parametrize(
    ("name", "structure", "ratio", "madelung"),
    [("NaCl", "rocksalt", 0.5, 1.7475645946), ("CsCl", "cesiumchloride", math.sqrt(3) / 2, 1.7626747731)],
)
def test_madelung(name, structure, ratio, madelung, cutoff):
    salt = bulk(name, structure, a=5.0)
    first, second = salt.get_chemical_symbols()
    potential = OWN["Ewald"]({first: 1.0, second: -1.0}, cutoff=cutoff)
    found = evaluate(potential, graph(potential, salt))
    np.testing.assert_allclose(-float(found.energy[0]) * 5.0 * ratio / COULOMB, madelung, atol=2e-9)
    assert found.forces.abs().max() < 1e-9


def test_background_of_a_charged_lattice():
    """Wigner crystals, E r_s/(k_e q²): fcc −0.895873, bcc −0.895929 (METHODS 31.3)."""
    for structure, expected in (("fcc", -0.895873), ("bcc", -0.895929)):
        potential = OWN["Ewald"]({"Na": 1.0}, cutoff=6.0)
        crystal = bulk("Na", structure, a=4.0)
        radius = (3 * crystal.get_volume() / (4 * math.pi)) ** (1 / 3)
        energy = float(evaluate(potential, graph(potential, crystal)).energy[0])
        np.testing.assert_allclose(energy * radius / COULOMB, expected, atol=1e-6)


def test_sum_of_messages_and_ewald():
    """Each term sees its own edges and its own traits; charges come through; energies add up."""
    s = subject("messages_and_ewald")
    messages, ewald = s.potential.terms()
    assert s.potential.scope == "global"
    assert s.potential.cutoff == ewald.cutoff > messages.cutoff
    assert s.potential.receptive_field == max(2 * messages.cutoff, ewald.cutoff)
    together = evaluate(s.potential, graph(s.potential, *s.atoms))
    parts = [evaluate(p, graph(p, *s.atoms)) for p in (messages, ewald)]
    for field in ("energy", "forces", "stress"):
        close(getattr(together, field), sum(getattr(p, field) for p in parts), 1e-12)
    close(together.charges, parts[1].charges)


# committee


def test_spread_of_a_committee():
    members = [OWN["TwoLayers"](seed=k) for k in range(4)]
    potential = Committee(members)
    baseline = IsolatedAtoms({"H": -1.0, "C": 2.0, "O": 0.5})
    whole = graph(potential, *usual_atoms())
    found = [evaluate(m, whole) for m in members]
    energies, forces = (np.array([getattr(p, f).numpy() for p in found]) for f in ("energy", "forces"))
    close(evaluate(potential, whole).energy, energies.mean(axis=0), 1e-12)
    for asked in (potential, baseline + potential):
        spread = uncertainty(asked, whole)
        close(spread.energy, energies.std(axis=0), 1e-12)
        close(spread.forces, np.sqrt(forces.var(axis=0).sum(axis=-1)), 1e-12)
    assert uncertainty(Committee([members[0], members[0]]), whole).forces.max() < 1e-12
    with pytest.raises(UserError, match="committee"):
        uncertainty(members[0], whole)


# elements with different numbers of features


def test_padded_features_carry_no_weight():
    structures = rattled(usual_atoms(), 6)
    truth = DescriptorPotential(OWN["RaggedHistogram"].example(), LinearRegressor())
    truth.setup(Dataset(structures))
    shake(truth)
    data = labelled(truth, structures)
    fitted = DescriptorPotential(OWN["RaggedHistogram"].example(), LinearRegressor())
    result = fit(fitted, data, LeastSquares(ridge=0.0))
    assert result.metrics()["train"]["force_max"] < 1e-8
    used = torch.cat([torch.arange(6) <= n for n in (3, 5, 2)])  # the constant, then the bins of H, C and O
    assert coefficients(fitted)[~used].abs().max() < 1e-12
    close(coefficients(fitted)[used], coefficients(truth)[used], 1e-7)


# labels that are absent


def test_energies_alone():
    """Both solvers fit energies where there is nothing else; no derivative is computed on the way."""
    structures = rattled(usual_atoms(), 8)
    truth = DescriptorPotential(OWN["RaggedHistogram"](bins={"H": 2, "C": 2, "O": 2}), LinearRegressor())
    truth.setup(Dataset(structures))
    data = labelled(shake(truth), structures).map(lambda s: replace(s, forces=None, stress=None))
    by_solver = {}
    for solver in (LeastSquares(ridge=0.0), GradientDescent(epochs=150, learning_rate=0.1, ema=0.0)):
        fitted = DescriptorPotential(OWN["RaggedHistogram"](bins={"H": 2, "C": 2, "O": 2}), LinearRegressor())
        items = Problem(truth, data).prepared(data)
        assert all(item.jacobian is None for item, _ in items)
        metrics = fit(fitted, data, solver).metrics()["train"]
        assert metrics["force_rmse"] is None
        by_solver[type(solver).__name__] = metrics["energy_rmse"]
    assert by_solver["LeastSquares"] < 1e-10
    assert by_solver["GradientDescent"] < 0.3 * np.std([s.energy_per_atom for s in data])


def test_absent_labels_count_nowhere():
    """NaN anywhere among the labels changes neither the loss nor its gradient, in whatever mixture."""
    potential = OWN["Restrained"].example()
    full = labelled(OWN["Restrained"](strength=0.0), rattled(usual_atoms(), 1))
    holes = []
    for k, s in enumerate(full):
        forces = s.forces.copy()
        forces[k % len(s), k % 3] = np.nan
        holes.append(
            replace(s, energy=float("nan") if k == 1 else s.energy, forces=forces, stress=None if k else s.stress)
        )
    weights = Weights(energy=3.0, force=2.0, stress=1.5)
    found = evaluate(potential, graph(potential, *[s.atoms for s in holes]), training=True)
    total = loss(found, Labels.of(holes), weights)
    expected, squares = 0.0, {"e": [], "f": [], "s": []}
    start = 0
    for k, s in enumerate(holes):
        squares["e"].append((3.0 * (float(found.energy[k].detach()) - s.energy) / len(s)) ** 2)
        squares["f"].append(((2.0 * (found.forces[start : start + len(s)].detach().numpy() - s.forces)) ** 2).ravel())
        if s.stress is not None:
            upper = (found.stress[k].detach().numpy() - s.stress)[np.triu_indices(3)]
            squares["s"].append((1.5 * upper) ** 2)
        start += len(s)
    expected = sum(np.nanmean(np.hstack(v)) for v in squares.values()) + float(potential.c.detach().square().sum())
    np.testing.assert_allclose(float(total.detach()), expected, rtol=1e-12)
    (slope,) = torch.autograd.grad(total, [potential.c])
    assert torch.isfinite(slope).all()


# penalty


def test_penalty_enters_the_loss_and_not_the_energy():
    """With labels that demand c = c*, a penalty |c|² pulls the minimum towards zero; prediction knows nothing of it."""
    data = labelled(OWN["Restrained"](strength=0.0), rattled(usual_atoms(), 2))
    norms = {}
    for strength in (0.0, 10.0):
        potential = OWN["Restrained"](strength=strength)
        fit(potential, data, GradientDescent(epochs=60, learning_rate=0.02, ema=0.0))
        norms[strength] = float(potential.c.detach().norm())
    assert norms[0.0] == pytest.approx(float(OWN["Restrained"]().c.detach().norm()), rel=1e-3)
    assert norms[10.0] < 0.3 * norms[0.0]
    one, two = (graph_of(a, 3.0) for a in usual_atoms()[:2])
    penalty = evaluate(OWN["Restrained"](), batch([one, two])).penalty
    close(penalty, np.full(2, 0.29))
