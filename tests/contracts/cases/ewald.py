"""Ewald sum of fixed charges per element, tin-foil boundary, with a neutralising background. METHODS 31.1.

E = ½ Σ' k_e q_i q_j erfc(r/√2σ)/r + (2π k_e/V) Σ_{k≠0} exp(-σ²k²/2)/k² |S(k)|² - k_e Σ q²/(√(2π)σ) - k_e π σ² Q²/V
"""

import math

import torch
from ase.build import bulk

from cambrian.contracts import Potential, Terms
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors, sum_over_structures
from cambrian.units import COULOMB


class Ewald(Potential):
    """`charges` in e by element; the width of the splitting Gaussian is cutoff/`sharpness` (Å)."""

    scope = "global"

    def __init__(self, charges: dict[str, float], *, cutoff: float = 6.0, sharpness: float = 7.0):
        super().__init__()
        self.cutoff, self.sharpness, self.width = cutoff, sharpness, cutoff / sharpness
        table = torch.zeros(119, dtype=torch.float64)
        table[[number(s) for s in charges]] = torch.tensor(list(charges.values()), dtype=torch.float64)
        self.register_buffer("charges", table)

    def forward(self, graph):
        if not bool(graph.pbc.all()):
            raise UserError("an Ewald sum needs a cell that is periodic in three directions")
        q = self.charges[graph.numbers]
        distance = graph.r_ij.norm(dim=-1)
        screened = torch.erfc(distance / (math.sqrt(2) * self.width)) / distance
        real = sum_over_neighbors(0.5 * COULOMB * q[graph.center] * q[graph.neighbor] * screened, graph)
        own = COULOMB * q**2 / (math.sqrt(2 * math.pi) * self.width)
        total = torch.zeros_like(graph.volume).index_add(0, graph.structure, q)
        background = COULOMB * math.pi * self.width**2 * total**2 / graph.volume
        wave = [self.wave(graph, k) for k in range(graph.n_structures)]
        return Terms(sum_over_structures(real - own, graph) + torch.stack(wave) - background, charges=q)

    def wave(self, graph, k):
        """Reciprocal part of one structure."""
        members = graph.structure == k
        reciprocal = 2 * math.pi * torch.linalg.inv(graph.cell[k]).T
        longest = self.sharpness / self.width
        n = (longest * graph.cell[k].detach().norm(dim=1) / (2 * math.pi)).floor().long().tolist()
        grid = torch.cartesian_prod(*(torch.arange(-m, m + 1, dtype=reciprocal.dtype) for m in n))
        vectors = grid[grid.abs().sum(dim=1) > 0] @ reciprocal
        squared = vectors.square().sum(dim=1)
        phase = graph.positions[members] @ vectors.T
        q = self.charges[graph.numbers[members]]
        factor = (q @ torch.cos(phase)) ** 2 + (q @ torch.sin(phase)) ** 2
        volume = torch.linalg.det(graph.cell[k]).abs()
        return 2 * math.pi * COULOMB / volume * (torch.exp(-(self.width**2) * squared / 2) / squared * factor).sum()

    @classmethod
    def example(cls):
        return cls({"Na": 1.0, "Cl": -1.0})

    @classmethod
    def example_atoms(cls):
        salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        salt.rattle(0.1, seed=1)
        slanted = bulk("NaCl", "rocksalt", a=5.2)
        slanted.rattle(0.1, seed=2)
        return [salt, slanted]
