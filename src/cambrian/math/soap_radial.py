"""Radial functions of SOAP: overlaps of a Gaussian at distance r with an orthonormal radial basis g_nl.

    I_nl(r) = 4π ∫ s² g_nl(s) e^(-p (s² + r²)) i_l(2 p s r) ds,   p = 1/2σ²          c_nlm = Σ_j w(r_j) I_nl(r_j) Y_lm

Gaussian orbitals, in closed form: φ_nl = s^l e^(-α_nl s²), α_nl = -ln(10^-3 / a_n^l)/a_n², a_n even from 1 Å to the
cutoff, made orthonormal by g = S^(-1/2) φ with S_nn' = ½ Γ(l + 3/2) (α_n + α_n')^(-l - 3/2):

    I_nl = Σ_n' (S^(-1/2))_nn' π^(3/2) (p r)^l / (α_n' + p)^(l + 3/2) e^(-α_n' p r² / (α_n' + p))

Polynomials, the same for all l: φ_n ~ (rc - s)^(n+2), n = 1 ..., of unit length before S^(-1/2); the integral by
Gauss-Legendre quadrature, tabulated as a Chebyshev series in r.

Chebyshev polynomials of points instead of Gaussians, with FLARE's cutoff function, the atom itself left out; the power
spectrum is then the B2 of the atomic cluster expansion, Σ_m c_nlm c_n'lm:

    I_nl(r) = T_n-1(2 r/rc - 1) (1 - r/rc)² √((2l+1)/4π) ((2l+1)/2)^(-1/4)

L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020) (DScribe); A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B
87, 184115 (2013); J. Vandermause et al., Nat. Commun. 13, 5183 (2022) (FLARE).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import gamma, ive
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError

DECAY = 1e-3  # of a primitive at its own length a_n
N_QUADRATURE = 120


class Overlaps(ABC):
    """I_nl(r) of one choice of n_max, l_max, cutoff and σ."""

    @abstractmethod
    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges degrees radial"]:
        """Overlaps at distances in Å, differentiable; zero is allowed."""

    def values(self, distance: NDArray) -> NDArray:
        """The same (edges, degrees, radial) in numpy, as precise as can be: what a table is made from."""
        return self(torch.from_numpy(distance)).numpy()


class DensityBasis(Configurable, ABC):
    """A family of radial functions; `counts_center` says whether the atom itself is part of its density."""

    rooms = ("math",)
    counts_center: bool = True

    @abstractmethod
    def overlaps(self, *, n_max: int, l_max: int, cutoff: float, width: float) -> Overlaps:
        """Tabulate what does not depend on the geometry; `cutoff` and the Gaussian's `width` σ in Å."""


class GaussianOrbitals(DensityBasis):
    """DScribe's "gto": Gaussian-type orbitals, whose overlaps are closed formulas."""

    def overlaps(self, *, n_max: int, l_max: int, cutoff: float, width: float) -> "GaussianOverlaps":
        """Exponents and orthonormal mixing of every degree; raises UserError for cutoffs of 1 Å or less."""
        if cutoff <= 1.0:
            raise UserError(f"Gaussian orbitals begin at 1 Å: the cutoff must be above that, not {cutoff} Å")
        a = np.linspace(1.0, cutoff, n_max)
        exponents, mixing = np.empty((l_max + 1, n_max)), np.empty((l_max + 1, n_max, n_max))
        p = 0.5 / width**2
        for l in range(l_max + 1):  # noqa: E741 - the degree's name
            alpha = -np.log(DECAY / a**l) / a**2
            overlap = 0.5 * gamma(l + 1.5) * (alpha[:, None] + alpha) ** (-l - 1.5)
            scale = math.pi**1.5 * p**l / (alpha + p) ** (l + 1.5)
            exponents[l] = alpha * p / (alpha + p)
            mixing[l] = scale[:, None] * inverse_root(overlap)
        return GaussianOverlaps(torch.from_numpy(exponents), torch.from_numpy(mixing))


@dataclass(frozen=True)
class GaussianOverlaps(Overlaps):
    """I_nl(r) = r^l Σ_n' e^(-exponents_ln' r²) mixing_ln'n."""

    exponents: Float[Tensor, "degrees radial"]
    mixing: Float[Tensor, "degrees radial radial"]

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges degrees radial"]:
        """The closed formula."""
        exponents, mixing = self.exponents.to(distance), self.mixing.to(distance)
        primitives = torch.exp(-exponents * distance.square()[:, None, None])
        powers = torch.stack([distance**l for l in range(len(exponents))], dim=1)  # noqa: E741
        return torch.einsum("eln,lnk,el->elk", primitives, mixing, powers)

    def values(self, distance: NDArray) -> NDArray:
        """In extended precision where the machine has it: orthonormal functions are differences of large ones."""
        r = distance.astype(np.longdouble)[:, None, None]
        primitives = np.exp(-self.exponents.numpy().astype(np.longdouble) * r**2)
        mixed = np.stack(
            [primitives[:, k] @ m for k, m in enumerate(self.mixing.numpy().astype(np.longdouble))], axis=1
        )
        return mixed * r ** np.arange(len(self.exponents))[:, None]


class PolynomialOrbitals(DensityBasis):
    """Powers of the distance to the cutoff: narrower near it than Gaussian orbitals; no compiled loops know them."""

    def overlaps(self, *, n_max: int, l_max: int, cutoff: float, width: float) -> "ChebyshevOverlaps":
        """Quadrature at Chebyshev points of r."""
        n = np.arange(1, n_max + 1)
        total = n[:, None] + n
        overlap = 2 * cutoff ** (total + 7) / ((total + 5) * (total + 6) * (total + 7))
        points, weights = np.polynomial.legendre.leggauss(N_QUADRATURE)
        s, weights = 0.5 * cutoff * (points + 1), 0.5 * cutoff * weights
        scale = np.sqrt(np.diag(overlap))
        primitives = (cutoff - s[:, None]) ** (n + 2) / scale
        g = primitives @ inverse_root(overlap / np.outer(scale, scale))
        degree = int(40 + 12 * cutoff / width)
        r = 0.5 * cutoff * (np.polynomial.chebyshev.chebpts1(degree + 1) + 1)
        waves = scaled_bessel(l_max, np.outer(r, s) / width**2) * np.exp(
            -((r[:, None] - s) ** 2) / (2 * width**2)
        )  # (degrees, r, s)
        values = 4 * math.pi * np.einsum("lrs,s,sn->rln", waves, weights * s**2, g)
        series = np.polynomial.chebyshev.chebfit(2 * r / cutoff - 1, values.reshape(len(r), -1), degree)
        return ChebyshevOverlaps(cutoff, l_max, torch.from_numpy(series))


@dataclass(frozen=True)
class ChebyshevOverlaps(Overlaps):
    """I_nl(r) = Σ_k series_k,ln T_k(2 r/rc - 1)."""

    cutoff: float
    l_max: int
    series: Float[Tensor, "orders columns"]

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges degrees radial"]:
        """Chebyshev polynomials by their recursion."""
        x = (2 * distance / self.cutoff - 1).clamp(max=1.0)
        found = [torch.ones_like(x), x]
        while len(found) < len(self.series):
            found.append(2 * x * found[-1] - found[-2])
        return (torch.stack(found, dim=1) @ self.series.to(x)).unflatten(1, (self.l_max + 1, -1))


class ChebyshevPoints(DensityBasis):
    """FLARE's: Chebyshev polynomials at the neighbors' own places, with the cutoff function (1 - r/rc)² inside."""

    counts_center = False

    def overlaps(self, *, n_max: int, l_max: int, cutoff: float, width: float) -> "PointOverlaps":
        """Nothing to tabulate; the width has no meaning here."""
        return PointOverlaps(cutoff, n_max, l_max)


@dataclass(frozen=True)
class PointOverlaps(Overlaps):
    """The radial functions themselves."""

    cutoff: float
    n_max: int
    l_max: int

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges degrees radial"]:
        """Chebyshev polynomials times the quadratic cutoff, and what SOAP's factor of each degree has too much."""
        x = 2 * distance / self.cutoff - 1
        found = [torch.ones_like(x), x]
        while len(found) < self.n_max:
            found.append(2 * x * found[-1] - found[-2])
        radial = torch.stack(found[: self.n_max], dim=1) * (1 - distance / self.cutoff).clamp(min=0.0)[:, None] ** 2
        harmonics = 2 * torch.arange(self.l_max + 1).to(distance) + 1
        factor = (harmonics / (4 * math.pi)) ** 0.5 / (0.5 * harmonics) ** 0.25
        return radial[:, None] * factor[:, None]


def inverse_root(S: NDArray) -> NDArray:
    """S^(-1/2) of a positive symmetric matrix; raises UserError where rounding errors took its positiveness."""
    squares, vectors = np.linalg.eigh(S)
    if squares[0] <= 0:
        raise UserError(f"{len(S)} radial functions are too many to tell apart in double precision; choose n_max lower")
    return (vectors / np.sqrt(squares)) @ vectors.T


def scaled_bessel(l_max: int, x: NDArray) -> NDArray:
    """e^(-x) i_l(x), modified spherical Bessel functions of the first kind, for l = 0 ... l_max and x > 0."""
    return np.stack([np.sqrt(0.5 * math.pi / x) * ive(l + 0.5, x) for l in range(l_max + 1)])  # noqa: E741


class RadialWeight(Configurable, ABC):
    """How much a neighbor counts by its distance, besides the envelope at the cutoff."""

    rooms = ("math",)

    @abstractmethod
    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """Factors at distances in Å; differentiable."""


class EqualWeight(RadialWeight):
    """Every neighbor counts the same."""

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """Ones."""
        return torch.ones_like(distance)


class PowerWeight(RadialWeight):
    """c / (d + (r/r0)^m): near neighbors count more; M. J. Willatt, F. Musil, M. Ceriotti, PCCP 20, 29661 (2018)."""

    def __init__(self, *, length: float = 3.0, exponent: float = 4.0, offset: float = 1.0, scale: float = 1.0):
        if length <= 0 or offset < 0:
            raise UserError("a power weight needs length above 0 and an offset of 0 or more")
        self.length, self.exponent, self.offset, self.scale = length, exponent, offset, scale

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """The rational function."""
        return self.scale / (self.offset + (distance / self.length) ** self.exponent)


class SmoothstepWeight(RadialWeight):
    """c (1 + 2 x³ - 3 x²)^m with x = r/r0, zero beyond r0; M. A. Caro, Phys. Rev. B 100, 024112 (2019)."""

    def __init__(self, *, length: float = 6.0, exponent: float = 1.0, scale: float = 1.0):
        if length <= 0 or exponent <= 0:
            raise UserError("a smoothstep weight needs length and exponent above 0")
        self.length, self.exponent, self.scale = length, exponent, scale

    def __call__(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """A power of the cubic step."""
        x = (distance / self.length).clamp(max=1.0)
        return self.scale * (1 + 2 * x**3 - 3 * x**2) ** self.exponent
