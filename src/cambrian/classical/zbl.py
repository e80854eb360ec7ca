"""Screened repulsion of two nuclei: what keeps atoms apart where no reference data reach.

    V(r) = k_e Z_i Z_j / r Σ_k c_k exp(-d_k r/a),   a = a0 / (Z_i^p + Z_j^p)        J. F. Ziegler, J. P. Biersack,
    E(r) = V(r) + S(r)                                                             U. Littmark, 1985
    S    = C below r1,   (A/3)(r - r1)³ + (B/4)(r - r1)⁴ + C between r1 and rc

A, B and C make E, E' and E'' vanish at rc, as `pair_style zbl r1 rc` of LAMMPS does, with its constants.
"""

from collections.abc import Callable

import torch
from ase.data import covalent_radii
from jaxtyping import Float
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.lammps import LammpsOverlay, LammpsPair
from cambrian.contracts.pair_route import without_forces
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.units import COULOMB

PREFACTORS = (0.18175, 0.50986, 0.28022, 0.02817)
EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
SCREENING = (0.46850, 0.23)  # a0 in Å, and the power of Z
INNER_SHARE = 0.5  # where the switch begins, as a share of where it ends


class ZBL(Potential):
    """Repulsion of every pair of elements, by atomic number.

    With `inner` and `outer` (Å) all pairs are switched off between these two distances. Without them each pair has its
    own: it ends at `radius_fraction` of the sum of the covalent radii, and, once set up, at the closest distance of
    that pair in the training data where this is shorter, so that it never acts on the data; the switch begins at half
    of that. `prefactors` c_k, `exponents` d_k and `screening` (a0, p) may be fitted; wrap it in `Frozen` to leave them.

    Raises UserError when only one of the two distances is given, or they are not in order.
    """

    def __init__(self, *, inner: float | None = None, outer: float | None = None, radius_fraction: float = 0.75):
        super().__init__()
        if (inner is None) != (outer is None):
            raise UserError("ZBL takes both inner and outer (Å), or neither to have them from the covalent radii")
        if inner is not None and outer is not None and not 0 <= inner < outer:
            raise UserError(f"ZBL needs 0 <= inner < outer, not inner {inner} and outer {outer}")
        self.inner, self.outer, self.radius_fraction = inner, outer, radius_fraction
        self.prefactors = nn.Parameter(torch.tensor(PREFACTORS, dtype=torch.float64))
        self.exponents = nn.Parameter(torch.tensor(EXPONENTS, dtype=torch.float64))
        self.screening = nn.Parameter(torch.tensor(SCREENING, dtype=torch.float64))
        self.register_buffer("closest", torch.zeros(0, 0, dtype=torch.float64))

    @property
    def cutoff(self) -> float:
        """The longest reach of any pair of the elements (of all elements before `setup`), Å."""
        if self.outer is not None:
            return self.outer
        radii = covalent_radii[self.elements.cpu().numpy()] if len(self.elements) else covalent_radii
        return float(2 * self.radius_fraction * radii.max())

    def setup(self, train: Dataset) -> None:
        """Note the closest distance of each pair of elements in the data."""
        super().setup(train)
        n = len(self.elements)
        closest = torch.full((n * n,), torch.inf, dtype=torch.float64)
        for graph in train.graphs(self.cutoff) if self.outer is None else ():
            species = torch.searchsorted(self.elements, graph.numbers)
            pair = species[graph.center] * n + species[graph.neighbor]
            closest = closest.scatter_reduce(0, pair, graph.r_ij.norm(dim=-1), "amin")
        self.closest = closest.reshape(n, n)

    def reach(self, first: Tensor, second: Tensor) -> tuple[Float[Tensor, "pairs"], Float[Tensor, "pairs"]]:
        """Where the switch of each pair of atomic numbers begins and ends, Å."""
        if self.inner is not None and self.outer is not None:
            ones = torch.ones_like(first, dtype=torch.float64)
            return self.inner * ones, self.outer * ones
        radii = torch.as_tensor(covalent_radii, device=first.device)
        outer = self.radius_fraction * (radii[first] + radii[second])
        if len(self.closest):
            species = torch.searchsorted(self.elements, torch.stack([first, second]))
            outer = torch.minimum(outer, self.closest[species[0], species[1]])
        return INNER_SHARE * outer, outer

    def forward(self, graph: Graph) -> Terms:
        """Half of each pair's energy to each of its atoms."""
        distance = graph.r_ij.norm(dim=-1)
        first, second = graph.numbers[graph.center], graph.numbers[graph.neighbor]
        inner, outer = self.reach(first, second)
        near = torch.nonzero(distance < outer)[:, 0]
        energy = self._switched(distance[near], first[near], second[near], inner[near], outer[near])
        halves = energy.new_zeros(graph.n_edges).index_add(0, near, 0.5 * energy)
        return Terms.of_atoms(sum_over_neighbors(halves, graph), graph)

    def _switched(self, distance: Tensor, first: Tensor, second: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
        """V + S of pairs inside their reach."""
        strength, rates, (A, B, C) = self._parts(first, second, inner, outer)
        x = (distance - inner).clamp(min=0)
        strength = strength.to(distance.dtype)
        return self._bare(distance, rates, strength)[0] + A / 3 * x**3 + B / 4 * x**4 + C

    def _parts(self, first: Tensor, second: Tensor, inner: Tensor, outer: Tensor):
        """k_e Z_i Z_j, d_k/a, and A, B and C of each pair."""
        strength, width = COULOMB * (first * second).double(), outer - inner
        rates = self.exponents * self._inverse_length(first, second)[:, None]
        V, slope, curvature = self._bare(outer, rates, strength)
        A = (-3 * slope + width * curvature) / width**2
        B = (2 * slope - width * curvature) / width**3
        C = -V + width * slope / 2 - width**2 * curvature / 12
        return strength, rates, (A, B, C)

    def _inverse_length(self, first: Tensor, second: Tensor) -> Tensor:
        length, power = self.screening
        return (first**power + second**power) / length

    def _bare(self, r: Tensor, rates: Tensor, strength: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """V, V' and V'' from Σ_k c_k e^(-b_k r)/r and its derivatives."""
        decay = self.prefactors * torch.exp(-rates * r[:, None])
        x = rates * r[:, None]
        value = strength / r * decay.sum(dim=-1)
        slope = -strength / r**2 * (decay * (1 + x)).sum(dim=-1)
        curvature = strength / r**3 * (decay * (2 + 2 * x + x**2)).sum(dim=-1)
        return value, slope, curvature

    def native(self) -> Callable[[Graph], Prediction]:
        """The same, at once where no two atoms are close enough."""

        def predict(graph: Graph) -> Prediction:
            near = graph.within(self.cutoff)
            return evaluate(self, near) if near.n_edges else without_forces(near, near.r_ij.new_zeros(near.n_atoms))

        return predict

    def lammps(self) -> LammpsOverlay | None:
        """One `pair_style zbl` for every two distances; None before `setup`, or with parameters of our own."""
        published = zip(
            (self.prefactors, self.exponents, self.screening), (PREFACTORS, EXPONENTS, SCREENING), strict=True
        )
        if not len(self.elements) or any(p.tolist() != list(known) for p, known in published):
            return None
        pairs = torch.combinations(self.elements, with_replacement=True)
        styles: dict[str, dict[tuple[str, str], str]] = {}
        for (first, second), inner, outer in zip(pairs.tolist(), *self.reach(*pairs.T), strict=True):
            style = f"zbl {inner.item():.17g} {outer.item():.17g}"
            styles.setdefault(style, {})[symbol(first), symbol(second)] = f"{first} {second}"
        return LammpsOverlay(tuple(LammpsPair(style, coefficients) for style, coefficients in styles.items()))

    def compiled(self, numbers: list[int]) -> list[CompiledPart]:
        """Strength, decay and switch of each pair."""
        n = len(numbers)
        first, second = torch.cartesian_prod(torch.tensor(numbers), torch.tensor(numbers)).reshape(-1, 2).T
        inner, outer = self.reach(first, second)
        strength, rates, switch = self._parts(first, second, inner, outer)
        arrays = {"inner": inner, "outer": outer, "strength": strength, "rates": rates}
        arrays["switches"] = torch.stack(switch, dim=-1)
        shaped = {name: values.unflatten(0, (n, n)) for name, values in arrays.items()}
        return [CompiledPart.of("zbl", prefactors=self.prefactors, **shaped)]

    @classmethod
    def example(cls) -> "ZBL":
        """One that reaches into bonds, so that tests see it act."""
        return cls(inner=1.5, outer=3.0)
