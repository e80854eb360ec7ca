"""The Matérn 5/2 kernel of a descriptor D(x), for energies and forces, with orders of points that mean the same.

    Δ = D - D',  d = |Δ|,  q = √5/σ          k = (1 + q d + q²d²/3) exp(-q d)
    cov(F, F') = Jᵀ A [(1 + q d) 1 - q² Δ Δᵀ] J'          A = (q²/3) exp(-q d)
    cov(E, F') = -A (1 + q d) Δᵀ J'

summed over the orders of one of both geometries, which for a group is the same as over those of both. A sum over force
observations E = Σ_j cov(E, F_j) α_j needs of them only v_j = J_j α_j:

    E = -Σ_j A (1 + q d) Δ_j · v_j          dE/dD = -Σ_j A [(1 + q d) v_j - q² (Δ_j · v_j) Δ_j]

S. Chmiela, H. E. Sauceda, K.-R. Müller, A. Tkatchenko, Nat. Commun. 9, 3887 (2018).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def force_covariance(
    D: Float[Tensor, "orders pairs"],
    J: Float[Tensor, "orders pairs coordinates"],
    D_others: Float[Tensor, "others pairs"],
    J_others: Float[Tensor, "others pairs coordinates"],
    length: float,
) -> tuple[Float[Tensor, "coordinates others coordinates"], Float[Tensor, "others coordinates"]]:
    """Covariance of forces, and of the energy, of one geometry with the forces of others.

    The one comes in each of its orders, as rows of `D` and `J` permuted; `length` is σ in units of D.
    """
    delta = D[:, None] - D_others
    A, qd, q = _parts(delta, length)
    weight = A * (1 + qd)
    mixed = (weight.mT @ J.flatten(1)).reshape(len(D_others), *J.shape[1:])
    left = torch.matmul(delta, J)  # Jᵀ Δ (orders, others, coordinates)
    right = torch.bmm(delta.transpose(0, 1), J_others)  # Δᵀ J' (others, orders, coordinates)
    blocks = torch.bmm(mixed.mT, J_others)
    blocks -= torch.bmm((q**2 * A[..., None] * left).permute(1, 2, 0), right)
    return blocks.transpose(0, 1), -torch.einsum("po,opc->oc", weight, right)


def energies_of_forces(
    D: Float[Tensor, "geometries pairs"],
    D_others: Float[Tensor, "others pairs"],
    v_others: Float[Tensor, "others pairs"],
    length: float,
) -> Float[Tensor, "geometries"]:
    """E of each geometry from all others, without a sum over orders; differentiable to any order."""
    delta = D[:, None] - D_others
    A, qd, _ = _parts(delta, length)
    return -(A * (1 + qd) * torch.einsum("gop,op->go", delta, v_others)).sum(dim=-1)


class ForceSum:
    """The same sum with its slopes in closed form, made ready once for many geometries.

    Everything that grows with the training set is a matrix product; descriptors count from their mean, so that the
    squares in |D|² - 2 D·D' + |D'|² stay small.
    """

    def __init__(self, D_others: Float[Tensor, "others pairs"], v_others: Float[Tensor, "others pairs"], length: float):
        self.middle, self.q = D_others.mean(dim=0), math.sqrt(5) / length
        self.D, self.v = D_others - self.middle, v_others
        self.squares, self.offsets = self.D.square().sum(dim=-1), (self.D * v_others).sum(dim=-1)

    def __call__(
        self, D: Float[Tensor, "geometries pairs"]
    ) -> tuple[Float[Tensor, "geometries"], Float[Tensor, "geometries pairs"]]:
        """E and dE/dD of each geometry."""
        D = D - self.middle
        squared = torch.addmm(self.squares + D.square().sum(dim=-1, keepdim=True), D, self.D.mT, alpha=-2)
        along = torch.addmm(-self.offsets, D, self.v.mT)  # Δ · v
        qd = squared.clamp_(min=0.0).sqrt_().mul_(self.q)
        A = torch.exp(-qd).mul_(self.q**2 / 3)
        weight = qd.add_(1.0).mul_(A)
        bend = A.mul_(along).mul_(self.q**2)
        slopes = bend.sum(dim=-1, keepdim=True) * D - bend @ self.D - weight @ self.v
        return -(weight * along).sum(dim=-1), slopes


def _parts(delta: Tensor, length: float) -> tuple[Tensor, Tensor, float]:
    """A, q d and q; d has a gradient of zero where two geometries are the same."""
    q = math.sqrt(5) / length
    qd = q * (delta.square().sum(dim=-1) + 1e-30).sqrt()
    return q**2 / 3 * torch.exp(-qd), qd, q
