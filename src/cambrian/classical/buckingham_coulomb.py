"""Buckingham's potential with charges: the classic of oxides, halides and molten salts.

    V(r) = A e^(-Br) - C/r⁶ + k_e q_s q_t erfc(αr)/r

R. A. Buckingham, Proc. R. Soc. A 168, 264 (1938). At r -> 0 the dispersion wins, and atoms would fall into each other
over a barrier. Inside the distance r_g between barrier and well where the curve is steepest (V'' = 0) it goes on as its
tangent, so that the repulsive force stays at its greatest value and energy, force and curvature are continuous:

    V(r) = V(r_g) + V'(r_g) (r - r_g)   for r < r_g

The charges end at the cutoff as all else does. With `Plain` and α = 0 this is the direct sum over all pairs of a
molecule, and structures that the cutoff does not hold are refused; with `ForceShifted` it is the damped shifted force
of C. J. Fennell, J. D. Gezelter, J. Chem. Phys. 124, 234104 (2006), which stands in for an Ewald sum in disordered,
neutral matter (its constant self energy per ion is left to the reference energies).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.lammps import LammpsPair
from cambrian.contracts.pair_potential import Given, PairPotential, Parameters
from cambrian.contracts.potential import Terms
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.truncation import ForceShifted, Plain, Truncation
from cambrian.units import COULOMB

STIFFNESS = 12.0  # B r0 of the first guess, the usual one of exp-6 potentials
DEPTH = 0.1  # eV, of the first guess
GRID, BISECTIONS = 256, 40  # for the guard, to 1e-12 of its value


class BuckinghamCoulomb(PairPotential):
    """Repulsion `strength` A (eV), `rate` B (1/Å), `dispersion` C (eV Å⁶), and fixed `charges` (e) by element.

    A, B and C are one number for all pairs or mappings such as {"Si-O": 18000.0, "O": 1390.0}; what is not given is
    guessed from the data. `damping` is α (1/Å).
    """

    def __init__(
        self,
        *,
        strength: Given = None,
        rate: Given = None,
        dispersion: Given = None,
        charges: dict[str, float] | None = None,
        damping: float = 0.0,
        cutoff: float = 10.0,
        truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
    ):
        self.known_charges = {number(s): q for s, q in (charges or {}).items()}
        self.damping = damping
        super().__init__(
            cutoff=cutoff,
            truncation=truncation,
            elements=self.known_charges,
            strength=strength,
            rate=rate,
            dispersion=dispersion,
        )
        self.register_buffer("charges", self._charges())

    def setup(self, train: Dataset) -> None:
        """Fix elements and charges, and guess what was not given; raises UserError for an element without a charge."""
        self.elements = torch.tensor(sorted({*train.numbers, *self.mentioned}), dtype=torch.int64)
        self.charges = self._charges()
        super().setup(train)

    def forward(self, graph: Graph) -> Terms:
        """Sum over pairs; raises UserError where a plain cut would leave out charges."""
        if isinstance(self.truncation, Plain) and bool((self.charges != 0).any()):
            _refuse_partial_sums(graph)
        return super().forward(graph)

    def table(self) -> Parameters:
        """A, B and C, the strength of the Coulomb interaction (eV Å) and the guard (Å) per pair of elements."""
        own = super().table()
        own["coulomb"] = COULOMB * self._products().to(own["strength"])
        with torch.no_grad():
            own["guard"] = self._guard(own)
        return own

    def pair_energy(self, distance: Float[Tensor, "points"], parameters: Parameters) -> Float[Tensor, "points"]:
        """V(r), on its tangent inside the guard."""
        r = torch.maximum(distance, parameters["guard"])
        value, slope, _ = self._curve(r, parameters)
        return value + slope * (distance - r)

    def guess(self, spacing: Float[Tensor, "rows"]) -> Parameters:
        """Nearest neighbors at rest: the repulsion balances the dispersion and the attraction of opposite charges."""
        attraction = COULOMB * (-self._products()).clamp(min=0)
        return {
            "strength": (DEPTH + attraction / (STIFFNESS * spacing)) * math.exp(STIFFNESS),
            "rate": STIFFNESS / spacing,
            "dispersion": DEPTH * STIFFNESS * spacing**6 / 6,
        }

    def lammps(self) -> LammpsPair | None:
        """`buck` where there are no charges and the cut is plain; None otherwise (LAMMPS has no guard)."""
        if not isinstance(self.truncation, Plain) or bool((self.charges != 0).any()) or not len(self.elements):
            return None
        coefficients = {
            pair: f"{p['strength']:.17g} {1 / p['rate']:.17g} {p['dispersion']:.17g}"
            for pair, p in self.by_name().items()
        }
        return LammpsPair(f"buck {self.cutoff:.17g}", coefficients)

    def _curve(self, r: Tensor, p: Parameters) -> tuple[Tensor, Tensor, Tensor]:
        """V, V' and V'' without the guard."""
        repulsion = p["strength"] * torch.exp(-p["rate"] * r)
        dispersion = p["dispersion"] / r**6
        screened = torch.erfc(self.damping * r) / r
        edge = 2 * self.damping / math.sqrt(math.pi) * torch.exp(-((self.damping * r) ** 2))
        value = repulsion - dispersion + p["coulomb"] * screened
        slope = -p["rate"] * repulsion + 6 * dispersion / r - p["coulomb"] * (screened + edge) / r
        bend = 2 * (screened + edge) / r**2 + 2 * self.damping**2 * edge
        curvature = p["rate"] ** 2 * repulsion - 42 * dispersion / r**2 + p["coulomb"] * bend
        return value, slope, curvature

    def _guard(self, table: Parameters) -> Tensor:
        """The distance between barrier and well where V'' turns positive; 0 where nothing pulls atoms together.

        Its derivative with respect to the parameters is not needed: V and V' do not change with it where V'' = 0.
        """

        def is_wall(r: Tensor, row: Tensor) -> Tensor:
            return self._curve(r, {name: values[row] for name, values in table.items()})[2] > 0

        n = len(table["strength"])
        grid = torch.logspace(-2, math.log10(self.cutoff), GRID).to(table["strength"])
        rows = torch.arange(n, device=grid.device)
        wall = is_wall(grid.repeat(n), rows.repeat_interleave(GRID)).reshape(n, GRID)
        begins = ~wall[:, :-1] & wall[:, 1:]
        first = begins.to(torch.int64).argmax(dim=1)
        low, high = grid[first], grid[first + 1]
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            inside = is_wall(middle, rows)
            low, high = torch.where(inside, low, middle), torch.where(inside, middle, high)
        return torch.where(begins.any(dim=1), high, torch.zeros_like(high))

    def _charges(self) -> Float[Tensor, "elements"]:
        missing = [z for z in self.elements.tolist() if self.known_charges and z not in self.known_charges]
        if missing:
            names = ", ".join(symbol(z) for z in missing)
            raise UserError(f"charges has no entry for {names}; give every element its charge, 0 included")
        return torch.tensor([self.known_charges.get(z, 0.0) for z in self.elements.tolist()], dtype=torch.float64)

    def _products(self) -> Float[Tensor, "rows"]:
        """q_s q_t per pair of elements; one zero while no elements are known."""
        if not len(self.charges):
            return torch.zeros(1, dtype=torch.float64)
        return torch.combinations(self.charges, with_replacement=True).prod(dim=1)

    @classmethod
    def example(cls) -> "BuckinghamCoulomb":
        """A made-up molecule of hydrogen, carbon and oxygen with charges."""
        return cls(
            strength=200.0, rate=4.0, dispersion=1.0, charges={"H": 0.1, "C": 0.1, "O": -0.3}, cutoff=4.0, damping=0.2
        )


def _refuse_partial_sums(graph: Graph) -> None:
    if bool(graph.pbc.any()):
        raise UserError(
            "a plain cut through charges in a periodic structure has no meaning (the sum converges conditionally); "
            "use truncation ForceShifted with a damping of about 0.2/Å"
        )
    atoms = torch.bincount(graph.structure, minlength=graph.n_structures)
    edges = torch.bincount(graph.structure[graph.center], minlength=graph.n_structures)
    if bool((edges < atoms * (atoms - 1)).any()):
        raise UserError(
            f"the direct sum of charges needs every pair, and the cutoff of {graph.cutoff} Å leaves some out; use a "
            "cutoff longer than the structure, or truncation ForceShifted"
        )
