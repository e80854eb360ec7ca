"""Invariants of third order of functions on the 3-sphere: the bispectrum, and its derivatives in coefficient space.

    Z_{j1 j2}^j = C U_{j1} ⊗ U_{j2} C^T             B_{j1 j2 j} = Re Σ U_j* Z_{j1 j2}^j          (orders doubled)
    B_{j1 j2 j} / (j + 1) = B_{j j2 j1} / (j1 + 1) = B_{j j1 j2} / (j2 + 1)

By this symmetry the derivative of B with respect to each of its three factors is a Z of the two others. With several
channels (chemical elements) every factor has its own: B^{κλμ} = Re Σ U_j^μ* Z(U_{j1}^κ, U_{j2}^λ), μ running fastest.
A. P. Bartók, M. C. Payne, R. Kondor, G. Csányi, Phys. Rev. Lett. 104, 136403 (2010).
"""

from itertools import permutations, product

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cambrian.math.wigner import clebsch_gordan, completed

Halves = list[Complex[Tensor, "rows channels _ _"]]  # upper halves (j // 2 + 1, j + 1) of U_j, j = 0 ... two_j_max


def bispectrum_orders(two_j_max: int) -> list[tuple[int, int, int]]:
    """The triples (j1, j2, j) of distinct components, in the order in which LAMMPS prints them."""
    return [
        (j1, j2, j)
        for j1 in range(two_j_max + 1)
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(two_j_max, j1 + j2) + 1, 2)
        if j >= j1
    ]


def half_size(two_j_max: int) -> int:
    """Number of complex elements in the upper halves of all orders."""
    return sum((j // 2 + 1) * (j + 1) for j in range(two_j_max + 1))


def bispectrum(halves: Halves) -> Float[Tensor, "rows components"]:
    """All components B (rows, channels³ · orders), orders running fastest within a triple of channels."""
    whole = [completed(h.flatten(0, 1), j).unflatten(0, h.shape[:2]) for j, h in enumerate(halves)]
    weighted = [h * _row_weights(j, h) for j, h in enumerate(halves)]
    columns = []
    for first, second, third in _channel_triples(halves):
        for j1, j2, j in bispectrum_orders(len(halves) - 1):
            Z = _couple(whole[j1][:, first], whole[j2][:, second], (j1, j2, j))
            columns.append((weighted[j][:, third].conj() * Z).real.sum(dim=(1, 2)))
    return torch.stack(columns, dim=-1)


def bispectrum_slopes(halves: Halves) -> Complex[Tensor, "rows components channels elements"]:
    """dB/dU such that dB = Σ Re(slopes* dU) over the elements of the upper halves, order after order, and channels."""
    two_j_max, n_channels = len(halves) - 1, halves[0].shape[1]
    whole = [completed(h.flatten(0, 1), j).unflatten(0, h.shape[:2]) for j, h in enumerate(halves)]
    orders, triples = bispectrum_orders(two_j_max), _channel_triples(halves)
    sizes = [(j // 2 + 1) * (j + 1) for j in range(two_j_max + 1)]
    start = [sum(sizes[:j]) for j in range(two_j_max + 1)]
    slopes = halves[0].new_zeros(halves[0].shape[0], len(triples) * len(orders), n_channels, sum(sizes))
    for c, (first, second, third) in enumerate(triples):
        for k, (j1, j2, j) in enumerate(orders):
            factors = (
                (j, third, (j1, first), (j2, second)),
                (j1, first, (j, third), (j2, second)),
                (j2, second, (j, third), (j1, first)),
            )
            for target, channel, (p, in_p), (q, in_q) in factors:
                Z = _couple(whole[p][:, in_p], whole[q][:, in_q], (p, q, target))
                slope = (j + 1) / (target + 1) * _row_weights(target, Z) * Z
                columns = slice(start[target], start[target] + sizes[target])
                slopes[:, c * len(orders) + k, channel, columns] += slope.flatten(1)
    return slopes


def symmetrized(
    coefficients: Float[Tensor, "rows components"], two_j_max: int, n_channels: int
) -> Float[Tensor, "rows components"]:
    """Coefficients of components that are one number, such as B^{κλμ} and B^{μλκ} of j1 = j, replaced by their mean."""
    table = coefficients.unflatten(1, (n_channels, n_channels, n_channels, -1))
    result = torch.empty_like(table)
    for k, orders in enumerate(bispectrum_orders(two_j_max)):
        same = [p for p in permutations(range(3)) if tuple(orders[i] for i in p) == orders]
        # sorted, and relative to the lowest: what is equal already stays so to the last digit
        equal = torch.stack([table[..., k].permute(0, *(i + 1 for i in p)) for p in same]).sort(dim=0).values
        result[..., k] = equal[0] + (equal - equal[0]).mean(dim=0)
    return result.flatten(1)


def _channel_triples(halves: Halves) -> list[tuple[int, int, int]]:
    channels = range(halves[0].shape[1])
    return list(product(channels, channels, channels))


def _row_weights(j: int, like: Tensor) -> Float[Tensor, "halves 1"]:
    """How often each row of an upper half stands in the whole matrix: the middle row of an even order once."""
    weights = torch.full((j // 2 + 1, 1), 2.0, dtype=like.real.dtype, device=like.device)
    if j % 2 == 0:
        weights[-1] = 1.0
    return weights


def _couple(first: Tensor, second: Tensor, orders: tuple[int, int, int]) -> Complex[Tensor, "rows halves columns"]:
    """Upper half of Z (rows, j // 2 + 1, j + 1) from whole U_{j1} (rows, j1 + 1, j1 + 1) and U_{j2}."""
    j1, j2, j = orders
    C = torch.tensor(clebsch_gordan(j1, j2, j), dtype=first.dtype, device=first.device)
    rows, n_half = first.shape[0], j // 2 + 1
    upper = C[:n_half].transpose(1, 2).reshape(n_half * (j2 + 1), j1 + 1)
    half_coupled = (upper @ first).reshape(rows, n_half, j2 + 1, j1 + 1).transpose(2, 3)
    outer = half_coupled.reshape(rows, n_half * (j1 + 1), j2 + 1) @ second
    return outer.reshape(rows, n_half, (j1 + 1) * (j2 + 1)) @ C.reshape(j + 1, -1).T
