"""Monomials x^a y^b z^c of a vector up to a degree, in a fixed order: the components of the tensors r ⊗ r ⊗ ... .

A symmetric tensor of rank n has (n + 1)(n + 2)/2 different components; the one with exponents (a, b, c) stands at
n!/(a! b! c!) places of the full tensor.
"""

import math
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


@cache
def exponents(degree: int) -> Int[Tensor, "monomials 3"]:
    """(a, b, c) of each column: by degree n = a + b + c, then a from n down to 0, then b from n - a down to 0."""
    rows = [(a, b, n - a - b) for n in range(degree + 1) for a in range(n, -1, -1) for b in range(n - a, -1, -1)]
    return torch.tensor(rows, dtype=torch.int64)


def multiplicities(degree: int) -> Int[Tensor, "monomials"]:
    """n!/(a! b! c!) of each column."""
    counts = [math.factorial(sum(row)) // math.prod(map(math.factorial, row)) for row in exponents(degree).tolist()]
    return torch.tensor(counts, dtype=torch.int64)


def monomials(vector: Float[Tensor, "... 3"], degree: int) -> Float[Tensor, "... monomials"]:
    """The monomials of each vector; differentiable to any order, at zero too."""
    powers = [torch.ones_like(vector)]
    for _ in range(degree):
        powers.append(powers[-1] * vector)
    table = torch.stack(powers, dim=-2)  # (..., power, 3)
    a, b, c = exponents(degree).to(vector.device).unbind(dim=-1)
    return table[..., a, 0] * table[..., b, 1] * table[..., c, 2]
