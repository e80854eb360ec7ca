"""What a potential is in the words of stock LAMMPS: each term says its own part, `deploy` writes them together.

A term is a pair style of its own (`LammpsPair`), several of them (`LammpsOverlay`), constants per element that need a
pair style to stand in (`LammpsConstants`), a SNAP table (`LammpsSnap`), a network on SNAP's components
(`LammpsNetwork`), or a cluster expansion (`LammpsPace`). A descriptor and a regressor make theirs together: the
regressor gives its coefficients or its layers, the descriptor puts them into the format LAMMPS has for it.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class CoefficientTable:
    """Coefficients of a regressor, a row per element, the constant first.

    A quadratic one goes on with the upper triangle (1,1), (1,2) ... (K,K) of features_k features_l, diagonal halved.
    """

    coefficients: Float[Tensor, "species columns"]
    quadratic: bool


@dataclass(frozen=True)
class NetworkLayer:
    """A layer of the networks of all elements: a(x W + b), `activation` as `pair_style mliap` calls it."""

    weight: Float[Tensor, "species in out"]
    bias: Float[Tensor, "species out"]
    activation: str


@dataclass(frozen=True)
class NetworkTable:
    """A network per element on features minus `center`; the last layer has one node, the energy in eV."""

    center: Float[Tensor, "species features"]
    layers: tuple[NetworkLayer, ...]


@dataclass(frozen=True)
class LammpsPair:
    """A pair style: `style` with its global arguments, and the arguments of `pair_coeff` by pair of elements."""

    style: str
    coefficients: dict[tuple[str, str], str]


@dataclass(frozen=True)
class LammpsOverlay:
    """Several pair styles, which may be one style with different global arguments, added by `hybrid/overlay`."""

    parts: tuple[LammpsPair, ...]


@dataclass(frozen=True)
class LammpsConstants:
    """An energy per atom of each element, eV, by symbol."""

    energies: dict[str, float]


@dataclass(frozen=True)
class SnapElement:
    """The block of one element in a .snapcoeff file; coefficients in eV, the constant first."""

    radius: float
    weight: float
    coefficients: list[float]


@dataclass(frozen=True)
class LammpsSnap:
    """The contents of a .snapparam file, and of a .snapcoeff file by element symbol."""

    parameters: dict[str, float]
    elements: dict[str, SnapElement]


@dataclass(frozen=True)
class LammpsNetwork:
    """The contents of a .mliap.descriptor file (`sna`) and of a .mliap.model file (`nn`).

    `elements` has radius and weight of each element, in the order of the species of the network.
    """

    parameters: dict[str, float]
    elements: dict[str, tuple[float, float]]
    network: NetworkTable


@dataclass(frozen=True)
class LammpsPace:
    """The contents of a .yace file in its own words, for elements by symbol; bonds by "center neighbor"."""

    elements: tuple[str, ...]
    energies: tuple[float, ...]
    embeddings: tuple[dict[str, Any], ...]
    bonds: dict[str, dict[str, Any]]
    functions: tuple[list[dict[str, Any]], ...]


LammpsForm = LammpsPair | LammpsOverlay | LammpsConstants | LammpsSnap | LammpsNetwork | LammpsPace
