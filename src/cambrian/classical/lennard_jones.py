"""The Lennard-Jones potential, from noble gases to the van der Waals part of anything.

    V(r) = 4ε [(σ/r)¹² - (σ/r)⁶]          minimum -ε at 2^(1/6) σ

J. E. Lennard-Jones, Proc. R. Soc. A 106, 463 (1924). Beyond a plain cut, with no structure there (g = 1), a homogeneous
system has the tail E = Σ_st N_s N_t/V (8π/3) ε σ³ [(σ/rc)⁹/3 - (σ/rc)³].
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import LammpsPair
from cambrian.contracts.pair_potential import Given, PairPotential, Parameters
from cambrian.graph import Graph
from cambrian.math.truncation import EnergyShifted, ForceShifted, Plain, Truncation

ENDS = {Plain: (0, 0), EnergyShifted: (1, 0), ForceShifted: (1, 1)}  # how much of V(rc) and of V'(rc) is taken off
LAMMPS_STYLES = {Plain: "lj/cut", ForceShifted: "lj/smooth/linear"}


class Mixing(Configurable, ABC):
    """Parameters of unlike pairs from those of like pairs."""

    rooms = ("classical",)

    @abstractmethod
    def sigma(self, first: Tensor, second: Tensor) -> Tensor:
        """Length σ of the unlike pair; ε is the geometric mean in every rule here."""


class LorentzBerthelot(Mixing):
    """σ is the arithmetic mean, ε the geometric one (CHARMM, AMBER)."""

    def sigma(self, first: Tensor, second: Tensor) -> Tensor:
        """(σ1 + σ2)/2."""
        return 0.5 * (first + second)


class Geometric(Mixing):
    """Both σ and ε are geometric means (OPLS)."""

    def sigma(self, first: Tensor, second: Tensor) -> Tensor:
        """√(σ1 σ2)."""
        return (first * second).sqrt()


class LennardJones(PairPotential):
    """Lennard-Jones between all pairs within `cutoff` (Å); `epsilon` in eV, `sigma` in Å.

    Each is one number for all pairs or a mapping such as {"Ar": 0.0103, "Ar-Kr": 0.0122}; what is not given is guessed
    from the data. With `mixing` only like pairs have parameters, and unlike ones follow from them.
    """

    def __init__(
        self,
        *,
        epsilon: Given = None,
        sigma: Given = None,
        cutoff: float = 8.0,
        truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
        mixing: Mixing | None = None,
    ):
        self.mixing = mixing
        super().__init__(cutoff=cutoff, truncation=truncation, epsilon=epsilon, sigma=sigma)

    def rows(self) -> list[tuple[int, int]]:
        """All pairs, or the like ones where the others are mixed."""
        return super().rows() if self.mixing is None else [(z, z) for z in self.elements.tolist()]

    def table(self) -> Parameters:
        """ε (eV) and σ (Å) per pair of elements."""
        own = super().table()
        if self.mixing is None or len(self.elements) == 0:
            return own
        first, second = torch.combinations(torch.arange(len(self.elements)), with_replacement=True).T
        epsilon, sigma = own["epsilon"], own["sigma"]
        return {
            "epsilon": (epsilon[first] * epsilon[second]).sqrt(),
            "sigma": self.mixing.sigma(sigma[first], sigma[second]),
        }

    def pair_energy(self, distance: Float[Tensor, "points"], parameters: Parameters) -> Float[Tensor, "points"]:
        """4ε [(σ/r)¹² - (σ/r)⁶]."""
        attraction = (parameters["sigma"] / distance) ** 6
        return 4 * parameters["epsilon"] * attraction * (attraction - 1)

    def guess(self, spacing: Float[Tensor, "rows"]) -> Parameters:
        """The minimum at the nearest neighbors, 0.1 eV deep."""
        return {"epsilon": torch.full_like(spacing, 0.1), "sigma": spacing / 2 ** (1 / 6)}

    def tail_energy(self, graph: Graph) -> Float[Tensor, "structures"]:
        """Energy (eV) that a plain cut leaves out where the surroundings are homogeneous; NaN where not periodic.

        It is no part of the potential: add it to energies of liquids and gases computed with `Plain`.
        """
        table = self.table()
        n = max(len(self.elements), 1)
        species = (
            torch.searchsorted(self.elements, graph.numbers) if len(self.elements) else torch.zeros_like(graph.numbers)
        )
        counts = torch.bincount(graph.structure * n + species, minlength=graph.n_structures * n).reshape(-1, n)
        counts = counts.to(graph.r_ij.dtype)
        first, second = torch.combinations(torch.arange(n), with_replacement=True).T
        pairs = counts[:, first] * counts[:, second] * torch.where(first == second, 1.0, 2.0).to(counts)
        cubed = (table["sigma"] / self.cutoff) ** 3
        strength = 8 * math.pi / 3 * table["epsilon"] * table["sigma"] ** 3 * (cubed**3 / 3 - cubed)
        return (pairs * strength).sum(dim=-1) / graph.volume

    def lammps(self) -> LammpsPair | None:
        """`lj/cut`, or `lj/smooth/linear` where force-shifted; None for other truncations or before `setup`."""
        style = LAMMPS_STYLES.get(type(self.truncation))
        if style is None or not len(self.elements):
            return None
        coefficients = {pair: f"{p['epsilon']:.17g} {p['sigma']:.17g}" for pair, p in self.by_name().items()}
        return LammpsPair(f"{style} {self.cutoff:.17g}", coefficients)

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """Powers of 1/r and the line of its end; None for other truncations, or before `setup`."""
        if type(self.truncation) not in ENDS or not len(self.elements):
            return None
        epsilon, sigma = (values.detach() for values in self.table().values())
        coefficients = 4 * epsilon[:, None] * torch.stack([sigma**12, -(sigma**6)], dim=-1)
        end = coefficients / self.cutoff ** torch.tensor([12.0, 6.0], dtype=torch.float64)
        height, slope = end.sum(dim=-1), end @ torch.tensor([-12.0, -6.0], dtype=torch.float64) / self.cutoff
        lift, tilt = ENDS[type(self.truncation)]
        lines = torch.stack([-lift * height + tilt * slope * self.cutoff, -tilt * slope], dim=-1)
        first, second = torch.combinations(torch.arange(len(numbers)), with_replacement=True).T
        arrays = {"coefficients": coefficients, "lines": lines}
        for name, values in arrays.items():
            square = values.new_zeros(len(numbers), len(numbers), 2)
            square[first, second] = square[second, first] = values
            arrays[name] = square
        return [CompiledPart.of("powers", exponents=[12, 6], cutoff=float(self.cutoff), **arrays)]

    @classmethod
    def example(cls) -> "LennardJones":
        """Hydrogen, carbon and oxygen with radii that suit small molecules."""
        return cls(
            epsilon={"H": 0.02, "C": 0.05, "O": 0.04},
            sigma={"H": 1.0, "C": 1.4, "O": 1.3},
            cutoff=4.0,
            mixing=LorentzBerthelot(),
        )
