"""SOAP against sums over pairs with numerical quadrature, against DScribe where it is installed, and itself turned."""

import math
from itertools import product

import numpy as np
import pytest
import scipy.linalg
import torch
from ase import Atoms
from ase.build import bulk
from scipy.integrate import quad
from scipy.special import eval_chebyt, eval_legendre, spherical_in
from scipy.stats import special_ortho_group

from cambrian.contracts import Descriptor
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.envelopes import HardEnvelope, PolynomialEnvelope
from cambrian.math.soap_radial import (
    ChebyshevPoints,
    GaussianOrbitals,
    PolynomialOrbitals,
    PowerWeight,
    SmoothstepWeight,
)


def molecule() -> Atoms:
    rng = np.random.default_rng(3)
    return Atoms("COHHCO", positions=rng.uniform(-1.6, 1.6, (6, 3)) + np.arange(6)[:, None] * [0.5, 0.1, -0.3])


def soap(atoms: Atoms, **settings) -> SOAP:
    descriptor = SOAP(**settings)
    descriptor.setup(Dataset([Structure(atoms)]))
    return descriptor


def gaussian_functions(n_max: int, degree: int, cutoff: float):
    a = np.linspace(1.0, cutoff, n_max)
    alpha = -np.log(1e-3 / a**degree) / a**2
    S = np.array([[quad(lambda s, x=x, y=y: s ** (2 * degree + 2) * math.exp(-(x + y) * s * s), 0, 12, epsrel=1e-13)[0]
                   for x in alpha] for y in alpha])  # fmt: skip
    mixing = np.real(scipy.linalg.inv(scipy.linalg.sqrtm(S)))
    return lambda s: mixing @ (s**degree * np.exp(-alpha * s * s))


def polynomial_functions(n_max: int, cutoff: float):
    n = np.arange(1, n_max + 1)
    S = np.array([[quad(lambda s, x=x, y=y: s * s * (cutoff - s) ** (x + y + 4), 0, cutoff)[0] for x in n] for y in n])
    length = np.sqrt(np.diag(S))
    mixing = np.real(scipy.linalg.inv(scipy.linalg.sqrtm(S / np.outer(length, length)))) / length
    return lambda s: mixing @ np.where(s < cutoff, (cutoff - s) ** (n + 2.0), 0.0)


def overlap(g, degree: int, r: float, width: float, reach: float) -> np.ndarray:
    """4π ∫ s² g(s) e^(-p(s²+r²)) i_l(2psr) ds by adaptive quadrature."""
    p = 0.5 / width**2

    def integrand(s, n):
        wave = spherical_in(degree, 2 * p * s * r) * math.exp(-p * (s * s + r * r))
        return 4 * math.pi * s * s * g(s)[n] * wave

    n_max = len(g(1.0))
    low, high = max(0.0, r - 8 * width), min(reach, r + 9 * width)
    return np.array(
        [quad(integrand, low, high, args=(n,), epsabs=1e-13, epsrel=1e-13, limit=200)[0] for n in range(n_max)]
    )


@pytest.mark.parametrize("basis", [GaussianOrbitals(), PolynomialOrbitals()])
def test_overlaps_are_the_integrals(basis):
    cutoff, width, n_max = 4.0, 0.4, 3
    table = basis.overlaps(n_max=n_max, l_max=3, cutoff=cutoff, width=width)
    r = np.array([0.0, 0.7, 1.9, 3.6])
    found = table(torch.from_numpy(r)).numpy()
    for degree, k in product(range(4), range(len(r))):
        gaussian = isinstance(basis, GaussianOrbitals)
        g = gaussian_functions(n_max, degree, cutoff) if gaussian else polynomial_functions(n_max, cutoff)
        expected = overlap(g, degree, r[k], width, 30.0 if gaussian else cutoff)
        np.testing.assert_allclose(found[k, degree], expected, atol=1e-9)


def pair_sums(atoms: Atoms, i: int, cutoff: float, width: float, n_max: int, l_max: int, fade) -> dict:
    """p^st_nn'l by the addition theorem: no spherical harmonics, no closed formula."""
    vectors = atoms.positions - atoms.positions[i]
    distances = np.linalg.norm(vectors, axis=1)
    inside = [j for j in range(len(atoms)) if distances[j] < cutoff]
    found = {}
    for degree in range(l_max + 1):
        g = gaussian_functions(n_max, degree, cutoff)
        I = {j: overlap(g, degree, distances[j], width, 30.0) * fade(distances[j]) for j in inside}  # noqa: E741
        for j, k in product(inside, inside):
            lengths = distances[j] * distances[k]
            cosine = 1.0 if lengths == 0 else np.clip(vectors[j] @ vectors[k] / lengths, -1, 1)
            legendre = eval_legendre(degree, cosine) if lengths or degree == 0 else 0.0
            term = (
                math.pi
                * math.sqrt(8 / (2 * degree + 1))
                * (2 * degree + 1)
                / (4 * math.pi)
                * legendre
                * np.outer(I[j], I[k])
            )
            key = (atoms.numbers[j], atoms.numbers[k], degree)
            found[key] = found.get(key, 0.0) + term
    return found


def test_power_spectrum_is_the_sum_over_pairs():
    atoms, cutoff, width, n_max, l_max = molecule()[:4], 3.0, 0.5, 2, 2
    weight, envelope = PowerWeight(length=2.0), PolynomialEnvelope()

    def fade(r):
        distance = torch.tensor([float(r)], dtype=torch.float64)
        return 1.0 if r == 0 else float(envelope(distance, cutoff) / (1 + (r / 2.0) ** 4))

    descriptor = soap(atoms, cutoff=cutoff, width=width, n_max=n_max, l_max=l_max, weight=weight)
    features = descriptor.features(graph_of(atoms, cutoff)).numpy()
    for i in range(2):
        expected = pair_sums(atoms, i, cutoff, width, n_max, l_max, fade)
        numbers = [1, 6, 8]
        columns = []
        for s, t in descriptor.pairs:
            for degree in range(l_max + 1):
                table = expected.get((numbers[s], numbers[t], degree), np.zeros((n_max, n_max)))
                for n, m in product(range(n_max), range(n_max)):
                    if s != t or m >= n:
                        columns.append(table[n, m] * (1 if s == t and n == m else math.sqrt(2)))
        np.testing.assert_allclose(features[i], columns, atol=1e-8)
        everything = sum((table**2).sum() for table in expected.values())  # the kernel of the atom with itself
        assert features[i] @ features[i] == pytest.approx(everything, rel=1e-8)


def test_points_give_the_b2_of_flare():
    """Σ_m c_nlm c_n'lm as a sum over pairs, with Chebyshev polynomials and the cutoff function written out."""
    atoms, cutoff = molecule()[:4], 3.5
    atoms.numbers[:] = 6
    how = {"n_max": 3, "l_max": 2, "basis": ChebyshevPoints(), "envelope": HardEnvelope()}
    found = soap(atoms, cutoff=cutoff, **how).features(graph_of(atoms, cutoff)).numpy()
    for i in range(4):
        vectors = np.delete(atoms.positions - atoms.positions[i], i, axis=0)
        distances = np.linalg.norm(vectors, axis=1)
        vectors, distances = vectors[distances < cutoff], distances[distances < cutoff]
        radial = [eval_chebyt(n, 2 * distances / cutoff - 1) * (1 - distances / cutoff) ** 2 for n in range(3)]
        cosines = np.clip(vectors @ vectors.T / np.outer(distances, distances), -1, 1)
        columns = []
        for degree in range(3):
            legendre = (2 * degree + 1) / (4 * math.pi) * eval_legendre(degree, cosines)
            for n, m in product(range(3), range(3)):
                if m >= n:
                    columns.append((1 if n == m else math.sqrt(2)) * radial[n] @ legendre @ radial[m])
        np.testing.assert_allclose(found[i], columns, atol=1e-12)


@pytest.mark.parametrize(
    ("atoms", "cutoff", "width"), [(molecule(), 4.0, 0.4), (bulk("GaAs", "zincblende", a=5.6), 2.5, 0.35)]
)
def test_same_as_dscribe(atoms, cutoff, width):
    """No atom stands just beyond the cutoff, where DScribe still counts the tails of its Gaussian."""
    peer = pytest.importorskip("dscribe.descriptors")
    elements = sorted(set(atoms.get_chemical_symbols()))
    how = {"r_cut": cutoff, "sigma": width, "n_max": 5, "l_max": 4, "periodic": bool(atoms.pbc.all())}
    expected = peer.SOAP(species=elements, rbf="gto", **how).create(atoms)
    descriptor = soap(atoms, cutoff=cutoff, width=width, n_max=5, l_max=4, envelope=HardEnvelope())
    found = descriptor.features(graph_of(atoms, cutoff)).numpy()
    assert found.shape == expected.shape
    factors = []
    for s, t in descriptor.pairs:
        first, second = descriptor.places(s, t)
        factors += [1.0 if s == t and n == m else math.sqrt(2) for n, m in zip(first, second, strict=True)] * 5
    np.testing.assert_allclose(found / np.array(factors), expected, atol=1e-8)


@pytest.mark.parametrize(
    "settings", [{}, {"weight": SmoothstepWeight(length=3.4)}, {"basis": PolynomialOrbitals(), "width": 0.4}]
)
def test_jacobian_is_the_derivative(settings):
    atoms = molecule()
    descriptor = soap(atoms, cutoff=3.5, n_max=2, l_max=3, **settings)
    graph = graph_of(atoms, 3.5)
    features, jacobian = descriptor.jacobian(graph)
    plain, expected = Descriptor.jacobian(descriptor, graph)
    torch.testing.assert_close(features, plain, rtol=0, atol=1e-12)
    torch.testing.assert_close(jacobian, expected, rtol=0, atol=1e-11)


def test_rotation_and_reflection_change_nothing():
    atoms = molecule()
    descriptor = soap(atoms, cutoff=4.0, n_max=6, l_max=6)
    before = descriptor.features(graph_of(atoms, 4.0))
    for turn in (special_ortho_group.rvs(3, random_state=1), -np.eye(3)):
        turned = atoms.copy()
        turned.positions = atoms.positions @ turn.T
        after = descriptor.features(graph_of(turned, 4.0))
        torch.testing.assert_close(after / before.norm(), before / before.norm(), rtol=0, atol=1e-12)


def test_columns_have_names():
    descriptor = SOAP.example()
    names = [descriptor.name_of(6, k) for k in range(descriptor.n_features)]
    assert names[0] == "H-H, l = 0, n = 1, n' = 1"
    assert names[-1] == "O-O, l = 2, n = 3, n' = 3"
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("settings", [{"cutoff": 0.9}, {"width": 0.0}, {"l_max": 13}, {"n_max": 0}])
def test_what_makes_no_sense_is_refused(settings):
    with pytest.raises(UserError):
        SOAP(**settings)


def test_an_unknown_element_is_named():
    with pytest.raises(UserError, match="knows H, C, O, not N"):
        SOAP.example().features(graph_of(Atoms("N"), 3.5))
