"""Coulomb matrix of a whole molecule: the eigenvalues of

    M_ii = ½ Z_i^2.4        M_ij = Z_i Z_j / r_ij

in ascending order, so that the order of the atoms does not matter. M. Rupp et al., Phys. Rev. Lett. 108, 058301 (2012).
"""

import numpy as np
import torch
from ase import Atoms

from cambrian.contracts import Descriptor
from cambrian.errors import UserError


class CoulombMatrix(Descriptor):
    """Features (structures, n_atoms) of molecules of `n_atoms` atoms, all pairs of which must be edges."""

    per = "structure"

    def __init__(self, *, n_atoms: int = 3):
        super().__init__()
        self.cutoff, self.n_features = float("inf"), n_atoms

    def features(self, graph):
        n = self.n_features
        if bool((graph.atoms_per_structure != n).any()):
            raise UserError(f"this Coulomb matrix is for molecules of {n} atoms")
        charge = graph.numbers.to(graph.r_ij.dtype)
        pair = charge[graph.center] * charge[graph.neighbor] / graph.r_ij.norm(dim=-1)
        place = (graph.structure[graph.center], graph.center % n, graph.neighbor % n)
        matrix = torch.diag_embed(0.5 * charge.reshape(-1, n) ** 2.4).index_put(place, pair)
        return torch.linalg.eigvalsh(matrix)

    @classmethod
    def example(cls):
        return cls()

    @classmethod
    def example_atoms(cls):
        rng = np.random.default_rng(2)
        corners = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0.0]])
        return [Atoms(s, corners + rng.normal(scale=0.1, size=(3, 3))) for s in ("CHO", "OHH", "HCC", "OCH")]
