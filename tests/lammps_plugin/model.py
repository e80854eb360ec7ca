"""The potential of model_library.cpp in torch."""

import torch
from lammps_plugin.structures import CUTOFF, VALUES, K, crystal

from cambrian import Committee, Dataset, Potential, Structure, Terms
from cambrian.elements import number
from cambrian.graph import sum_over_neighbors


class Model(Potential):
    """E_i = e_i + (1 + m/5) Σ_j c_i c_j f² + (1 - m/10) k |v_i|², v_i = Σ_j w_j f r_ij, f = (1 - r²/rc²)³."""

    def __init__(self, *, member: int = 0):
        super().__init__()
        self.cutoff, self.member = CUTOFF, member

    def forward(self, graph):
        table = torch.zeros(119, 3, dtype=torch.float64)
        for element, values in VALUES.items():
            table[number(element)] = torch.tensor(values, dtype=torch.float64)
        c, w, e = table[graph.numbers].T
        f = (1 - graph.r_ij.square().sum(dim=-1) / CUTOFF**2).clamp(min=0) ** 3
        pairs = c[graph.center] * c[graph.neighbor] * f**2
        v = sum_over_neighbors((w[graph.neighbor] * f)[:, None] * graph.r_ij, graph)
        m = self.member
        return Terms.of_atoms(
            e + (1 + m / 5) * sum_over_neighbors(pairs, graph) + (1 - m / 10) * K * v.square().sum(dim=-1), graph
        )

    @classmethod
    def example(cls):
        return cls()


def committee(n: int) -> Committee:
    """Members 0 ... n - 1, ready to be evaluated."""
    members = [Model(member=m) for m in range(n)]
    for member in members:
        member.setup(Dataset([Structure(crystal(), energy=0.0)]))
    return Committee(members)
