"""How a list of symmetry functions is computed: sorted into blocks that share exponentials, angles and moments."""

from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import torch
from torch import Tensor

from cambrian.math.envelopes import Envelope
from cambrian.math.symmetry_blocks import Block, MomentBlock, RadialBlock, TripletBlock
from cambrian.math.symmetry_functions import AnyFunction, CompactFunction, Core, Kind
from cambrian.math.symmetry_windows import (
    Channel,
    Combination,
    CompactAngles,
    CompactWindows,
    GaussianWindows,
    PowerAngles,
)


@dataclass(frozen=True)
class Family:
    """What the functions of one block have in common; `core` only of compact ones, `whole` where ζ is."""

    kind: Kind
    weighted: bool
    cutoff: float
    core: Core | None = None
    asymmetric: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Part:
    """A block, and which of its columns go where among the features."""

    family: Family
    block: Block
    source: Tensor
    target: Tensor


def parts_of(functions: list[AnyFunction], envelope: Envelope, n_species: int) -> list[Part]:
    """Blocks for functions whose neighbors are among `n_species` elements; targets are places in the list.

    Raises ValueError for a function whose neighbors do not suit its kind or the elements.
    """
    for f in functions:
        if f.neighbors not in _neighbors(_sorted_out(f)[0], n_species):
            raise ValueError(f"the neighbors of {f} are none of a {f.kind} function among {n_species} elements")
    combinations: dict[tuple[Family, Channel], set[Combination]] = {}
    for f in functions:
        family, channel, combination = _sorted_out(f)
        combinations.setdefault((family, channel), set()).add(combination)
    channels: dict[tuple[Family, tuple[Combination, ...]], list[Channel]] = {}
    for (family, channel), found in combinations.items():
        channels.setdefault((family, tuple(sorted(found))), []).append(channel)

    parts = []
    for (family, chosen), members in channels.items():
        columns = product(_neighbors(family, n_species), members, chosen)
        place = {(family, *column): k for k, column in enumerate(columns)}
        keys = [(family, f.neighbors, channel, c) for f in functions for family, channel, c in [_sorted_out(f)]]
        found = [(place[key], target) for target, key in enumerate(keys) if key in place]
        source, target = torch.tensor(found, dtype=torch.int64).T
        parts.append(Part(family, _block(family, members, list(chosen), envelope), source, target))
    return parts


def _sorted_out(f: AnyFunction) -> tuple[Family, Channel, Combination]:
    """The family of a function, and the two pairs of numbers that tell it apart there."""
    if isinstance(f, CompactFunction):
        family = Family(f.kind, not f.neighbors, f.cutoff, core=f.core, asymmetric=f.asymmetric)
        return family, (f.lower, f.cutoff), (f.angle_low, f.angle_high)
    family = Family(f.kind, not f.neighbors, f.cutoff, whole=f.zeta == int(f.zeta))
    return family, (f.eta, f.shift), (f.zeta, f.lam)


def _neighbors(family: Family, n_species: int) -> list[tuple[int, ...]]:
    """In the order of a block's columns."""
    if family.weighted:
        return [()]
    return list(combinations_with_replacement(range(n_species), 1 if family.kind == "radial" else 2))


def _block(family: Family, channels: list[Channel], combinations: list[Combination], envelope: Envelope) -> Block:
    if family.core is not None:
        windows = CompactWindows(channels, family.core, asymmetric=family.asymmetric)
        angles = CompactAngles(combinations, family.core)
    else:
        windows, angles = GaussianWindows(channels, family.cutoff, envelope), PowerAngles(combinations)
    if family.kind == "radial":
        return RadialBlock(windows)
    if family.kind == "wide" and family.whole:
        return MomentBlock(windows, combinations)
    return TripletBlock(windows, angles, narrow=family.kind == "narrow")
