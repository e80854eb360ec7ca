"""An atomic cluster expansion of another program as its .yace file says it: PACE's functions, embeddings and repulsion.

    A_{μnlm} = Σ_{j of μ} R_nl(r_ij) Y_lm(r̂_ij)       R_nl = Σ_k c_nlk g_k       (one factor: g_n itself)
    ρ_p = Σ_v c_vp Re Π_t A_{μ_t n_t l_t m_t}          core = Σ_j |C| exp(-λ r_ij²)/r_ij (1 + cos πr_ij/rc)/2
    E_i = E0 + s(core) Σ_p w_p F(ρ_p; m_p) + core      s: 1 up to a core energy, then 0

Everything depends on the elements of center and neighbor. With the inner cutoff `distance`, g_k are switched off and
the repulsion on at a distance instead. The complex products become real ones once (`math/complex_products.py`).
Y. Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); https://github.com/ICAMS/lammps-user-pace.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import LammpsPace
from cambrian.contracts.moment_polynomial import MomentPolynomial
from cambrian.contracts.moment_route import compiled_moments
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.complex_products import real_product
from cambrian.math.embeddings import EMBEDDINGS, inner_step
from cambrian.math.products import Product, Products
from cambrian.math.radial_bases import ChebExpCos, ChebPow, RadialBasis, SBessel
from cambrian.math.radial_table import RadialTable

TABLE_PIECES = 2048
RADIAL = ("ChebExpCos", "ChebPow", "SBessel")
DECAYED = 50.0  # λ r², from where on there is no repulsion


class PACE(Potential):
    """The content of a .yace file in its own words; `import yace` builds it.

    elements: symbols, which `mus` of functions count from 0; energies: E0 of each, eV.
    embeddings: for each element `ndensity`, `FS_parameters` (w and m of each density), `npoti` (FinnisSinclair or
        FinnisSinclairShiftedScaled), `rho_core_cutoff` and `drho_core_cutoff` (eV).
    bonds: by "center neighbor": `radbasename`, `radparameters`, `radcoefficients` [n][l][k], `rcut`, `dcut` (Å),
        `prehc`, `lambdahc`, and, where there is one, `rcut_in`, `dcut_in` and `inner_cutoff_type`.
    functions: for each element a list of `mus`, `ns` (from 1), `ls`, `ms_combs` and `ctildes`, both flat.

    Raises UserError for what is not known here (the inner cutoff `zbl`, radial functions of ACE.jl).
    """

    def __init__(
        self,
        *,
        elements: list[str],
        energies: list[float],
        embeddings: list[dict[str, Any]],
        bonds: dict[str, dict[str, Any]],
        functions: list[list[dict[str, Any]]],
    ):
        super().__init__()
        self.content = LammpsPace(tuple(elements), tuple(energies), tuple(embeddings), bonds, tuple(functions))
        refuse(self.content)
        self.cutoff = max(float(bond["rcut"]) for bond in bonds.values())
        self.elements = torch.tensor(sorted(number(e) for e in elements), dtype=torch.int64)
        self._symbols = symbols(self.elements)
        self._file = [list(elements).index(s) for s in self._symbols]  # place in the file of each species
        self._n_base = max(len(k) for bond in bonds.values() for n in bond["radcoefficients"] for k in n)
        self._polynomial: MomentPolynomial | None = None

    def setup(self, train: Dataset) -> None:
        """Nothing depends on data; raises UserError for an element that the file does not have."""
        strange = [s for s in symbols(train.numbers) if s not in self._symbols]
        if strange:
            raise UserError(f"this potential knows {', '.join(self._symbols)}, not {', '.join(strange)}")

    def forward(self, graph: Graph) -> Terms:
        """Densities, then energies."""
        species = torch.searchsorted(self.elements, graph.numbers)
        densities = self.polynomial().features(graph, self.radial_functions)
        densities = densities.unflatten(1, (len(self._symbols), -1))[torch.arange(graph.n_atoms), species]
        core = sum_over_neighbors(self._core(graph, species), graph)
        energies = torch.zeros_like(core)
        for s, place in enumerate(self._file):
            own = torch.nonzero(species == s)[:, 0]
            embedding, function = self.content.embeddings[place], EMBEDDINGS[self.content.embeddings[place]["npoti"]]
            weights, exponents = embedding["FS_parameters"][::2], embedding["FS_parameters"][1::2]
            count = range(embedding["ndensity"])
            cluster = sum((weights[p] * function(densities[own, p], exponents[p]) for p in count), start=0 * core[own])
            limits = [core.new_tensor(float(embedding[k])) for k in ("rho_core_cutoff", "drho_core_cutoff")]
            value = self.content.energies[place] + cluster * inner_step(core[own], *limits) + core[own]
            energies = energies.index_add(0, own, value)
        return Terms.of_atoms(energies, graph)

    def lammps(self) -> LammpsPace:
        """The content as it was given."""
        return self.content

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """The polynomial of the densities with embeddings and repulsion."""
        if numbers != self.elements.tolist():
            return None
        embeddings = [self.content.embeddings[place] for place in self._file]
        most = max(e["ndensity"] for e in embeddings)
        parameters = torch.tensor([[0.0, 1.0]] * most, dtype=torch.float64).repeat(len(numbers), 1, 1)
        for s, e in enumerate(embeddings):
            given = torch.tensor(e["FS_parameters"][: 2 * e["ndensity"]], dtype=torch.float64)
            parameters[s, : e["ndensity"]] = given.reshape(-1, 2)
        bonds = [bond for _, _, bond in self._bonds()]

        def table(values: list) -> Tensor:
            return torch.tensor(values, dtype=torch.float64).unflatten(0, (len(numbers), len(numbers)))

        more = CompiledPart.of(
            "embedded",
            energies=[float(self.content.energies[place]) for place in self._file],
            forms=[list(EMBEDDINGS).index(e["npoti"]) for e in embeddings],
            weights=parameters[:, :, 0],
            exponents=parameters[:, :, 1],
            core_limits=[[float(e[k]) for k in ("rho_core_cutoff", "drho_core_cutoff")] for e in embeddings],
            repulsion=table([[abs(b["prehc"]), abs(b["lambdahc"])] for b in bonds]),
            inner=table([[b.get("rcut_in", 0.0), b.get("dcut_in", 0.0)] for b in bonds]),
            has_inner=table([b.get("inner_cutoff_type", "density") == "distance" for b in bonds]).long(),
        )
        return [CompiledPart(more.kind, compiled_moments(self.polynomial()).arrays | more.arrays)]

    def radial_functions(
        self, distance: Float[Tensor, "edges"], center: Int[Tensor, "edges"], neighbor: Int[Tensor, "edges"]
    ) -> Float[Tensor, "edges radial"]:
        """g_k, then R_nl in the order of `pairs`, of every edge."""
        pairs = self._pairs()
        found = distance.new_zeros(len(distance), self._n_base + len(pairs))
        for s, t, bond in self._bonds():
            own = torch.nonzero((center == s) & (neighbor == t))[:, 0]
            if len(own):
                g = _base(bond, distance[own], self._n_base)
                matrix = g.new_tensor([_coefficients(bond, n, degree, self._n_base) for n, degree in pairs])
                R = g @ matrix.reshape(len(pairs), self._n_base).mT
                found = found.index_put((own,), torch.cat([g, R], dim=1))
        return found

    def polynomial(self) -> MomentPolynomial:
        """Densities as polynomials of real moments: those of the first element, of the second, and so on."""
        if self._polynomial is None:
            self._polynomial = self._arrays()
        return self._polynomial

    def _arrays(self) -> MomentPolynomial:
        n_species, n_densities = len(self._symbols), max(e["ndensity"] for e in self.content.embeddings)
        place = {file: s for s, file in enumerate(self._file)}
        radial = {pair: self._n_base + k for k, pair in enumerate(self._pairs())}
        rows: list[dict[tuple, float]] = [{} for _ in range(n_species * n_densities)]
        for s, file in enumerate(self._file):
            for f in self.content.functions[file]:
                kinds = [place[mu] for mu in f["mus"]]
                single = len(f["ls"]) == 1
                q = [n - 1 if single else radial[n, d] for n, d in zip(f["ns"], f["ls"], strict=True)]
                for monomial, p, value in _real_terms(f, self.content.embeddings[file]["ndensity"]):
                    key = tuple(sorted((kinds[t], q[t], k) for t, k in enumerate(monomial)))
                    row = rows[s * n_densities + p]
                    row[key] = row.get(key, 0.0) + value
        moments = sorted({m for row in rows for key in row for m in key})
        index = {m: k for k, m in enumerate(moments)}
        named: list[dict[Product, float]] = [
            {tuple(sorted(index[m] for m in k)): v for k, v in r.items()} for r in rows
        ]
        products = Products(len(moments))
        products.extend(p for row in named for p in row)
        cutoffs = torch.zeros(n_species, n_species, dtype=torch.float64)
        for s, t, bond in self._bonds():
            cutoffs[s, t] = bond["rcut"]
        target = torch.arange(len(moments), len(products))
        first = torch.tensor([0, *(len(row) for row in named)]).cumsum(0)
        return MomentPolynomial(
            elements=self.elements.clone(),
            radial=RadialTable.of(self.radial_functions, cutoffs, TABLE_PIECES),
            angular="spherical harmonics",
            degree=max((math.isqrt(m[2]) for m in moments), default=0),
            moments=torch.tensor(moments, dtype=torch.int64).reshape(-1, 3),
            terms=torch.stack([target, torch.from_numpy(products.left), torch.from_numpy(products.right)], dim=1),
            coefficients=torch.ones(len(target), dtype=torch.float64),
            feature_first=first,
            feature_node=torch.tensor([products.node(p) for row in named for p in row], dtype=torch.int64),
            feature_weight=torch.tensor([v for row in named for v in row.values()], dtype=torch.float64),
        )

    def _pairs(self) -> list[tuple[int, int]]:
        """Index n (from 1) and degree l of the radial functions of two and more factors."""
        functions = [f for of_element in self.content.functions for f in of_element if len(f["ls"]) > 1]
        return sorted({pair for f in functions for pair in zip(f["ns"], f["ls"], strict=True)})

    def _bonds(self) -> list[tuple[int, int, Mapping[str, Any]]]:
        """Species of center and neighbor, and the words of their bond."""
        known = list(enumerate(self._symbols))
        return [(s, t, self.content.bonds[f"{first} {second}"]) for s, first in known for t, second in known]

    def _core(self, graph: Graph, species: Int[Tensor, "atoms"]) -> Float[Tensor, "edges"]:
        """The repulsion of each edge."""
        distance = graph.r_ij.norm(dim=-1)
        center, neighbor = species[graph.center], species[graph.neighbor]
        energy = torch.zeros_like(distance)
        for s, t, bond in self._bonds():
            inside = (center == s) & (neighbor == t) & (distance < bond["rcut"])
            own = torch.nonzero(inside & (abs(bond["lambdahc"]) * distance**2 < DECAYED))[:, 0]
            r = distance[own]
            value = abs(bond["prehc"]) * torch.exp(-abs(bond["lambdahc"]) * r**2) / r
            value = value * 0.5 * (1 + torch.cos(math.pi * r / bond["rcut"]))
            if bond.get("inner_cutoff_type", "density") == "distance":
                value = value * _inner(bond, r)
            energy = energy.index_add(0, own, value)
        return energy

    @classmethod
    def example(cls) -> "PACE":
        """Hydrogen, carbon and oxygen with two densities, an inner cutoff and repulsion."""
        elements = ["H", "C", "O"]
        embedding = {"ndensity": 2, "FS_parameters": [1.0, 1.0, 0.5, 0.5], "npoti": "FinnisSinclairShiftedScaled"}
        embedding |= {"rho_core_cutoff": 1e5, "drho_core_cutoff": 250.0}
        bond = {"radbasename": "ChebPow", "radparameters": [4.0], "radcoefficients": [[[1.0, 0.2], [0.3, 1.0]]] * 2}
        bond |= {"prehc": 2.0, "lambdahc": 2.0, "rcut": 3.5, "dcut": 0.1}
        functions = [{"mus": [mu], "ns": [2], "ls": [0], "ms_combs": [0], "ctildes": [0.3, 0.2]} for mu in range(3)]
        pair = {"ns": [1, 2], "ls": [1, 1], "ms_combs": [0, 0, 1, -1], "ctildes": [0.4, 0.1, -0.8, -0.2]}
        functions += [pair | {"mus": [mu, 2]} for mu in range(3)]
        return cls(
            elements=elements,
            energies=[-1.0, -2.0, -3.0],
            embeddings=[embedding] * 3,
            bonds={f"{a} {b}": bond for a in elements for b in elements},
            functions=[functions] * 3,
        )


def refuse(content: LammpsPace) -> None:
    """Raise UserError for what is incomplete or not known here."""
    lengths = {len(content.elements), len(content.energies), len(content.embeddings), len(content.functions)}
    if len(lengths) > 1:
        raise UserError("PACE: elements, energies, embeddings and functions must be equally many")
    for embedding in content.embeddings:
        if embedding["npoti"] not in EMBEDDINGS:
            raise UserError(f"PACE: the embedding {embedding['npoti']} is not known; there are {', '.join(EMBEDDINGS)}")
    for pair in (f"{a} {b}" for a in content.elements for b in content.elements):
        if pair not in content.bonds:
            raise UserError(f"PACE: the bond {pair} is missing")
        bond = content.bonds[pair]
        if bond["radbasename"] not in RADIAL:
            raise UserError(
                f"PACE: radial functions {bond['radbasename']} are not known; there are {', '.join(RADIAL)}"
            )
        if bond.get("inner_cutoff_type", "density") not in ("density", "distance"):
            raise UserError(
                f"PACE: the inner cutoff {bond['inner_cutoff_type']} of {pair} is not known; density and distance are"
            )


def _base(bond: Mapping[str, Any], r: Float[Tensor, "edges"], n: int) -> Float[Tensor, "edges n"]:
    """g_1 ... g_n of one bond."""
    lam, cutoff, name = float(bond["radparameters"][0]), float(bond["rcut"]), bond["radbasename"]
    basis: RadialBasis = (
        SBessel() if name == "SBessel" else {"ChebExpCos": ChebExpCos, "ChebPow": ChebPow}[name](lam=lam)
    )
    g = basis(r, cutoff, n)
    if name == "ChebExpCos" and bond["dcut"] > 0:
        x = ((r - cutoff) / bond["dcut"] + 1).clamp(min=0.0)
        g = g * (0.5 * (1 + torch.cos(math.pi * x)))[:, None]
    if bond.get("inner_cutoff_type", "density") == "distance":
        g = g * (1 - _inner(bond, r))[:, None]
    return g


def _inner(bond: Mapping[str, Any], r: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
    end, width = (r.new_tensor(float(bond.get(k, 0.0))) for k in ("rcut_in", "dcut_in"))
    return inner_step(r, end, width)


def _coefficients(bond: Mapping[str, Any], n: int, degree: int, length: int) -> list[float]:
    """c_nlk of one radial function; zero where the bond does not have it."""
    table = bond["radcoefficients"]
    if n > len(table) or degree >= len(table[n - 1]):
        return [0.0] * length
    row = table[n - 1][degree]
    return [*row, *[0.0] * (length - len(row))]


def _real_terms(f: Mapping[str, Any], n_densities: int) -> list[tuple[tuple[int, ...], int, float]]:
    """Harmonic column of each factor, density and coefficient of the real products of a function."""
    orders = tuple(f["ls"])
    rank = len(orders)
    found = []
    for k in range(len(f["ms_combs"]) // rank):
        ms: Sequence[int] = f["ms_combs"][k * rank : (k + 1) * rank]
        for columns, value in real_product(orders, tuple(ms)).items():
            places = tuple(d * d + c for d, c in zip(orders, columns, strict=True))
            found += [(places, p, value * f["ctildes"][k * n_densities + p]) for p in range(n_densities)]
    return found
