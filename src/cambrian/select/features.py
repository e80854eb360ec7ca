"""Descriptors of structures as points: averages over the atoms of each element, or every atom by itself.

Each column has its mean subtracted and is divided by its standard deviation, so that none outweighs the others.
Memory: 8 bytes x structures (or atoms) x elements x features.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.errors import UserError


@dataclass(frozen=True)
class Points:
    """Standardized features, and the structure that each row belongs to."""

    rows: Float[NDArray, "rows columns"]
    owner: Int[NDArray, "rows"]


def descriptor_for(data: Dataset, given: Descriptor | None, potential: Potential | None) -> Descriptor:
    """The descriptor that was given, set up on these structures, or else that of the potential.

    Raises UserError where there is none, or the potential's does not know an element.
    """
    if given is not None:
        own = deepcopy(given)
        own.setup(data)
        return own
    parts = potential.modules() if potential is not None else ()
    part = next((m for m in parts if isinstance(m, DescriptorPotential)), None)
    if part is None:
        raise UserError(
            "this selector compares structures by a descriptor: give one (descriptor=ACSF, or any other of "
            "cambrian list descriptors), or a potential that has one"
        )
    strange = set(data.numbers) - set(part.elements.tolist())
    if strange:
        raise UserError(f"the potential does not know {', '.join(symbols(sorted(strange)))}; give a descriptor instead")
    return part.descriptor


def points_of_structures(data: Dataset, descriptor: Descriptor, progress: Callable[[float], None]) -> Points:
    """A row for each structure: mean features of its atoms of each element, elements side by side."""
    rows = []
    for features, structure, species, n_structures in _batches(data, descriptor, progress):
        cells = structure * len(data.numbers) + species
        sums = np.zeros((n_structures * len(data.numbers), features.shape[1]))
        np.add.at(sums, cells, features)
        counts = np.bincount(cells, minlength=len(sums))
        rows.append((sums / np.maximum(counts, 1)[:, None]).reshape(n_structures, -1))
    found = np.concatenate(rows) if rows else np.zeros((0, 0))
    return Points(standardized(found), np.arange(len(found)))


def points_of_atoms(data: Dataset, descriptor: Descriptor, progress: Callable[[float], None]) -> Points:
    """A row for each atom; those of different elements have no column in common."""
    parts = list(_batches(data, descriptor, progress))
    if not parts:
        return Points(np.zeros((0, 0)), np.zeros(0, dtype=int))
    first = np.cumsum([0, *(part[3] for part in parts)])
    features = np.concatenate([part[0] for part in parts])
    owner = np.concatenate([part[1] + start for part, start in zip(parts, first, strict=False)])
    species = np.concatenate([part[2] for part in parts])
    blocks = []
    for s in range(len(data.numbers)):
        own = standardized(features[species == s])
        block = np.zeros((len(features), own.shape[1]))
        block[species == s] = own
        blocks.append(block)
    return Points(np.concatenate(blocks, axis=1), owner)


def standardized(rows: Float[NDArray, "rows columns"]) -> Float[NDArray, "rows varying"]:
    """Columns of mean zero and unit deviation; those that are constant are left out."""
    if len(rows) == 0:
        return rows
    deviation = rows.std(axis=0)
    varying = deviation > 1e-10 * np.abs(rows).max(axis=0, initial=1e-300)
    return (rows[:, varying] - rows[:, varying].mean(axis=0)) / deviation[varying]


def _batches(data: Dataset, descriptor: Descriptor, progress: Callable[[float], None]):
    """Features, structure within the batch, element, and number of structures, batch by batch."""
    route = descriptor.kernel() or descriptor
    numbers, n_done = np.array(data.numbers), 0
    for graph, _ in data.batches(descriptor.cutoff):
        with torch.no_grad():
            features = route.features(graph).numpy()
        structure = graph.structure.numpy()
        species = np.searchsorted(numbers, graph.numbers.numpy())
        if descriptor.per == "structure":
            structure, species = np.arange(graph.n_structures), np.zeros(graph.n_structures, dtype=int)
        n_done += graph.n_structures
        progress(n_done / len(data))
        yield features, structure, species, graph.n_structures
