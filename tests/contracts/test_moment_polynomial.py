"""Polynomials of neighbor moments against sums and products written out, edge by edge and term by term."""

import math

import numpy as np
import pytest
import torch
from moment_polynomials import ELEMENTS, cutoffs, radial, random_polynomial, structures

from cambrian.contracts.moment_polynomial import ANY, MomentPolynomial
from cambrian.graph import Graph
from cambrian.math.monomials import exponents, monomials, multiplicities
from cambrian.math.radial_table import RadialTable


def columns_of(angular, degree, u):
    """Angular functions of one direction: Condon and Shortley's Legendre functions, or powers."""
    x, y, z = u
    if angular == "monomials":
        return [x**a * y**b * z**c for n in range(degree + 1) for a, b, c in triples(n)]
    from scipy.special import lpmv

    phi, found = math.atan2(y, x), []
    for l in range(degree + 1):  # noqa: E741 - the degree's name
        for m in [*range(l + 1), *range(-1, -l - 1, -1)]:
            n = abs(m)
            q = (-1) ** n * lpmv(n, l, z) * math.sqrt((2 if n else 1) * math.factorial(l - n) / math.factorial(l + n))
            found.append(q * (math.cos(n * phi) if m >= 0 else math.sin(n * phi)))
    return found


def triples(n):
    return [(a, b, n - a - b) for a in range(n, -1, -1) for b in range(n - a, -1, -1)]


def written_out(p: MomentPolynomial, graph: Graph) -> np.ndarray:
    species = np.searchsorted(ELEMENTS, graph.numbers.numpy())
    rows = []
    for atom in range(graph.n_atoms):
        nodes = [0.0] * p.n_nodes
        for edge in np.flatnonzero(graph.center.numpy() == atom):
            r_ij = graph.r_ij[edge].numpy()
            distance, t = np.linalg.norm(r_ij), species[graph.neighbor[edge]]
            kinds = torch.tensor([species[atom]]), torch.tensor([t])
            values = radial()(torch.tensor([distance]), *kinds)[0].tolist()
            angles = columns_of(p.angular, p.degree, r_ij / distance)
            for v, (wanted, q, k) in enumerate(p.moments.tolist()):
                nodes[v] += values[q] * angles[k] * (wanted in (ANY, t))
        for (target, left, right), c in zip(p.terms.tolist(), p.coefficients.tolist(), strict=True):
            nodes[target] += c * nodes[left] * nodes[right]
        first = p.feature_first.tolist()
        rows.append(
            [
                sum(w * nodes[n] for n, w in zip(p.feature_node[a:b], p.feature_weight[a:b].tolist(), strict=True))
                for a, b in zip(first[:-1], first[1:], strict=True)
            ]
        )
    return np.array(rows)


@pytest.mark.parametrize("angular", ["spherical harmonics", "monomials"])
def test_features_equal_the_sums_written_out(angular):
    p, graph = random_polynomial(angular), structures()
    expected = written_out(p, graph)
    scale = np.abs(expected).max(axis=0)
    for functions in (None, radial()):
        found = p.features(graph, functions).numpy()
        assert (np.abs(found - expected) <= 1e-11 * scale).all()


@pytest.mark.parametrize("angular", ["spherical harmonics", "monomials"])
def test_jacobian_is_the_derivative_of_the_features(angular):
    p, graph = random_polynomial(angular, n_products=10), structures()
    features, jacobian = p.jacobian(graph)
    torch.testing.assert_close(features, p.features(graph), rtol=1e-13, atol=1e-13)
    r_ij = graph.r_ij.clone().requires_grad_()
    leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
    for f, column in enumerate(p.features(leaves).sum(dim=0)):
        slope = torch.autograd.grad(column, r_ij, retain_graph=True, materialize_grads=True)[0]
        torch.testing.assert_close(jacobian[:, :, f], slope, rtol=1e-11, atol=1e-11 * float(slope.abs().max()) + 1e-14)


def test_energies_are_linear_in_the_coefficients_of_the_center():
    p, graph = random_polynomial("monomials"), structures()
    coefficients = torch.randn(3, p.n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = (p.features(graph) * coefficients[torch.searchsorted(p.elements, graph.numbers)]).sum(dim=1)
    torch.testing.assert_close(p.energies(graph, coefficients), expected)


def test_table_is_as_exact_as_promised_and_ends_at_the_cutoff():
    table, functions = RadialTable.of(radial(8), cutoffs()), radial(8)
    rng = np.random.default_rng(0)
    distance = torch.from_numpy(rng.uniform(0.5, 3.6, 2000)).requires_grad_()
    center, neighbor = torch.from_numpy(rng.integers(0, 3, 2000)), torch.from_numpy(rng.integers(0, 3, 2000))
    for n in range(8):
        slopes = []
        for f in (table, functions):
            values = f(distance, center, neighbor)[:, n]
            slopes.append((values.detach(), torch.autograd.grad(values.sum(), distance)[0]))
        (value, slope), (exact, exact_slope) = slopes
        assert float((value - exact).abs().max()) < 1e-12 * float(exact.abs().max())
        assert float((slope - exact_slope).abs().max()) < 2e-11 * float(exact_slope.abs().max())
    beyond = distance.detach() >= cutoffs()[center, neighbor]
    assert not table(distance, center, neighbor)[beyond].any()


def test_rough_functions_are_refused():
    def rough(distance, center, neighbor):
        return (distance - 1.234).abs()[:, None]

    with pytest.raises(ValueError, match="not smooth"):
        RadialTable.of(rough, torch.full((1, 1), 4.0, dtype=torch.float64))


def test_monomials_are_the_components_of_full_tensors():
    vector = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    columns, counts = monomials(vector, 4), multiplicities(4)
    degree = exponents(4).sum(dim=1)
    for n in range(5):
        full = torch.ones((), dtype=torch.float64)
        for _ in range(n):
            full = full[..., None] * vector
        chosen = degree == n
        assert float((counts[chosen] * columns[chosen] ** 2).sum()) == pytest.approx(float((full**2).sum()))
        assert float((counts[chosen] * columns[chosen]).sum()) == pytest.approx(float(full.sum()))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("elements", 0, 7),
        ("moments", (0, 0), 3),
        ("moments", (0, 1), 4),
        ("moments", (0, 2), 16),
        ("terms", (0, 0), 41),
        ("terms", (0, 1), 40),
        ("feature_first", 0, 1),
        ("feature_node", 0, 999),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(name, place, value):
    good = random_polynomial("spherical harmonics")
    wrong = getattr(good, name).clone()
    wrong[place] = value
    with pytest.raises(ValueError, match="MomentPolynomial"):
        MomentPolynomial(**{**vars(good), name: wrong})


def test_an_unknown_angular_family_is_refused():
    with pytest.raises(ValueError, match="angular"):
        MomentPolynomial(**{**vars(random_polynomial("monomials")), "angular": "legendre"})
