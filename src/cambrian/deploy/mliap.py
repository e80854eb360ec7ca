"""Networks on SNAP's components as the two files of LAMMPS's `pair_style mliap model nn ... descriptor sna ...`.

    .mliap.model            elements, numbers per element
                            NET features layers, activation and nodes of each layer
                            for each element: offsets and divisors of the features, then for each layer and node
                            its bias and its weights
    .mliap.descriptor       SNAP's parameters by keyword, and radii and weights by element

Format: the page of pair_style mliap in the manual of LAMMPS, https://docs.lammps.org.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch

from cambrian.contracts.lammps import LammpsNetwork

NUMBERS_PER_LINE = 10  # LAMMPS reads lines of up to 1024 characters and 30 numbers


def with_energies(model: LammpsNetwork, energies: Mapping[str, float]) -> LammpsNetwork:
    """The same network with an energy (eV) added for each element, by symbol."""
    *others, last = model.network.layers
    shifts = last.bias.new_tensor([[energies.get(element, 0.0)] for element in model.elements])
    layers = (*others, replace(last, bias=last.bias + shifts))
    return replace(model, network=replace(model.network, layers=layers))


def model_text(model: LammpsNetwork) -> str:
    """The content of a .mliap.model file."""
    network = model.network
    n_features = network.center.shape[1]
    by_node = [torch.cat([layer.bias[:, None], layer.weight], dim=1).mT.flatten(1) for layer in network.layers]
    numbers = torch.cat(by_node, dim=1)  # (species, numbers)
    shape = " ".join(f"{layer.activation} {layer.weight.shape[2]}" for layer in network.layers)
    lines = ["# Networks, energies in eV; written by cambrian", f"{len(model.elements)} {numbers.shape[1]}"]
    lines.append(f"NET {n_features} {len(network.layers)} {shape}")
    for s, element in enumerate(model.elements):
        lines += [f"# {element}", *_rows(network.center[s].tolist()), *_rows([1.0] * n_features)]
        lines += _rows(numbers[s].tolist())
    return "\n".join(lines) + "\n"


def descriptor_text(model: LammpsNetwork) -> str:
    """The content of a .mliap.descriptor file."""
    lines = ["# SNAP parameters, lengths in angstrom; written by cambrian"]
    lines += [f"{key} {value!r}" for key, value in model.parameters.items()]
    radii, weights = zip(*model.elements.values(), strict=True)
    lines += [f"nelems {len(model.elements)}", f"elems {' '.join(model.elements)}"]
    lines += [f"radelems {' '.join(map(repr, radii))}", f"welems {' '.join(map(repr, weights))}"]
    return "\n".join(lines) + "\n"


def _rows(numbers: list[float]) -> list[str]:
    starts = range(0, len(numbers), NUMBERS_PER_LINE)
    return [" ".join(map(repr, numbers[k : k + NUMBERS_PER_LINE])) for k in starts]
