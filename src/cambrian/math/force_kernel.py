"""Covariances of energies and forces under a radial kernel of descriptors, and sums over force observations.

    Δ = D - D',  J = ∂D/∂x          w, b: math/kernels.py
    cov(F, F') = Jᵀ (w 1 - b ΔΔᵀ) J'          cov(E, F') = -w Δᵀ J'

summed over several descriptors of the one geometry: its atoms, or orders of its points that mean the same (summed over
a group in one of both geometries is the same as in both). A sum E = Σ_j cov(E, F_j) α_j needs only v_j = J_j α_j:

    E = -Σ_j w Δ_j · v_j          dE/dD = -Σ_j [w v_j - b (Δ_j · v_j) Δ_j]
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.math.kernels import RadialKernel


def force_covariance(
    D: Float[Tensor, "rows features"],
    J: Float[Tensor, "rows features coordinates"],
    D_others: Float[Tensor, "others features"],
    J_others: Float[Tensor, "others features others_coordinates"],
    kernel: RadialKernel,
    length: float,
) -> tuple[Float[Tensor, "coordinates others others_coordinates"], Float[Tensor, "others others_coordinates"]]:
    """Covariance of forces, and of the energy, of one geometry with the forces of others; summed over its rows."""
    delta = D[:, None] - D_others
    _, w, b = kernel.shape(delta.square().sum(dim=-1), length)
    mixed = (w.mT @ J.flatten(1)).reshape(len(D_others), *J.shape[1:])
    left = torch.matmul(delta, J)  # Jᵀ Δ (rows, others, coordinates)
    right = torch.bmm(delta.transpose(0, 1), J_others)  # Δᵀ J' (others, rows, coordinates)
    blocks = torch.bmm(mixed.mT, J_others)
    blocks -= torch.bmm((b[..., None] * left).permute(1, 2, 0), right)
    return blocks.transpose(0, 1), -torch.einsum("ro,orc->oc", w, right)


def energies_of_forces(
    D: Float[Tensor, "geometries features"],
    D_others: Float[Tensor, "others features"],
    v_others: Float[Tensor, "others features"],
    kernel: RadialKernel,
    length: float,
) -> Float[Tensor, "geometries"]:
    """E of each geometry from all others; differentiable to any order."""
    delta = D[:, None] - D_others
    w = kernel.shape(delta.square().sum(dim=-1), length)[1]
    return -(w * torch.einsum("gop,op->go", delta, v_others)).sum(dim=-1)


class MaternForceSum:
    """The same sum for the Matérn kernel with its slopes in closed form, made ready once for many geometries.

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
