"""Finnis and Sinclair's embedding functions as PACE has them: F(ρ) ~ sgn(ρ) |ρ|^m, made smooth at zero.

    FinnisSinclair                  sgn(ρ) [ (1 - g) |ρ|^m + w^(1-m) g |ρ| ]        g = exp(-(w |ρ|)³),   w = 10^6
    FinnisSinclairShiftedScaled     sgn(ρ) [ (x0 + |ρ|)^m - y0 ]                    n = 1/m
                                    x0 = n^(n/(1-n)) e^-|ρ|,   y0 = n^(1/(1-n)) e^-|ρ|;   ρ itself for m = 1
    inner step                      1 below a - w, 0 above a, between them 1/2 + 15/4 (x/4 - x³/6 + x⁵/20)
                                    with x = 1 - 2 (1 + (value - a)/w): two continuous derivatives

M. W. Finnis, J. E. Sinclair, Philos. Mag. A 50, 45 (1984); Y. Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021).
"""

import torch
from jaxtyping import Float
from torch import Tensor

SHARPNESS = 1e6
LARGEST = 30.0  # of (w |ρ|)³, beyond which g is zero
TINY = 1e-10


def finnis_sinclair(rho: Float[Tensor, "..."], exponent: float) -> Float[Tensor, "..."]:
    """The plain form: linear within a millionth of zero."""
    slope = SHARPNESS ** (1 - exponent)
    size = rho.abs()
    near = size <= TINY
    safe = torch.where(near, torch.ones_like(size), size)
    cubed = (SHARPNESS * safe) ** 3
    g = torch.where(cubed > LARGEST, torch.zeros_like(cubed), torch.exp(-cubed.clamp(max=LARGEST)))
    value = torch.sign(rho) * ((1 - g) * safe**exponent + slope * g * safe)
    return torch.where(near, slope * rho, value)


def shifted_finnis_sinclair(rho: Float[Tensor, "..."], exponent: float) -> Float[Tensor, "..."]:
    """The shifted and scaled form, of slope 1 at zero."""
    if abs(exponent - 1) < TINY:
        return rho
    n = 1 / exponent
    sign = torch.where(rho < 0, -1.0, 1.0).to(rho)
    size = sign * rho  # unlike |ρ| with a slope at zero
    decay = torch.exp(-size)
    x0, y0 = n ** (n / (1 - n)), n ** (1 / (1 - n))
    return sign * ((x0 * decay + size) ** exponent - y0 * decay)


EMBEDDINGS = {"FinnisSinclair": finnis_sinclair, "FinnisSinclairShiftedScaled": shifted_finnis_sinclair}


def inner_step(value: Float[Tensor, "..."], end: Float[Tensor, "..."], width: Float[Tensor, "..."]) -> Tensor:
    """From 1 to 0 as `value` passes the last `width` before `end`; a width of zero is a jump."""
    t = (1 + (value - end) / torch.where(width > 0, width, torch.ones_like(width))).clamp(0.0, 1.0)
    x = 1 - 2 * t
    smooth = 0.5 + 3.75 * (x / 4 - x**3 / 6 + x**5 / 20)
    return torch.where(width > 0, smooth, (value < end).to(value.dtype))
