"""Potentials of n2p2 and RuNNer: input.nn, scaling.data and weights.ZZZ.data become an ordinary potential.

    E = Σ_i E0(s_i) + E_unit/conv_energy Σ_i MLP_{s_i}(scaled G_i),   E0 = (atom_energy + mean_energy) E_unit

conv_length has no effect once the functions are in Å. scaling.data: element, function, lowest, highest, mean and (in
n2p2) standard deviation, counted from 1 with elements by atomic number; rows of two numbers behind are of energies.
weights.ZZZ.data: the first column; for each layer the weights node by node of the layer before, then the biases.
A. Singraber, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 1827 (2019); n2p2's documentation,
https://compphysvienna.github.io/n2p2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from ase import Atoms

from cambrian.configurable import describe
from cambrian.contracts.atomic_network import AtomicNetwork, Scaling
from cambrian.contracts.catalogue import build
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.deploy.n2p2_functions import FileFunction, functions_in
from cambrian.deploy.n2p2_keywords import Keywords, Line, numbered
from cambrian.deploy.n2p2_words import ACTIVATIONS, NEVER, UNITS, envelope_of
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.math.envelopes import Envelope


@dataclass(frozen=True)
class _Shape:
    """Nodes of the hidden layers, and activations with that of the output, of one element."""

    hidden: tuple[int, ...]
    activations: tuple[str, ...]


def import_n2p2(
    place: str | Path, *, units: str = UNITS, remark: Callable[[str], None] = lambda text: None
) -> Potential:
    """A potential from a folder of n2p2 or RuNNer, whose numbers are in `units`; `remark` hears what was left aside.

    Raises UserError, with file and line, for what is broken, missing or more than a short-range network.
    """
    folder = Path(place)
    folder = folder.parent if folder.is_file() else folder
    if not folder.is_dir():
        raise UserError(f"there is no folder {place} to import from")
    keywords, unit = Keywords(folder / "input.nn"), UnitSystem.parse(units)
    keywords.refuse_other_physics()
    elements = _elements(keywords)
    functions = functions_in(keywords, elements)
    networks = _networks(folder, keywords, elements, functions, unit)
    potential = _assembled(keywords, elements, functions, networks, unit)
    for words, text in ((keywords.ignored(), "without effect here"), (keywords.unknown(), "unknown, left aside")):
        if words:
            remark(f"{text}: {', '.join(words)}")
    return potential


def _assembled(keywords: Keywords, elements: list[str], functions, networks, unit: UnitSystem) -> Potential:
    rows = {e: [f.row(unit.length) for f in functions[e]] for e in elements}
    cutoff = max(row["cutoff"] for of_element in rows.values() for row in of_element)
    listed = [{"Listed": {"table": rows}}]
    descriptor = {"ACSF": {"cutoff": cutoff, "functions": listed, "envelope": describe(_envelope(keywords))}}
    first = networks[elements[0]]
    shapes = [([b.numel() for b in networks[e].biases[:-1]], list(networks[e].activations[:-1])) for e in elements]
    alike = all(shape == shapes[0] for shape in shapes)
    regressor = {
        "hidden": shapes[0][0] if alike else [hidden for hidden, _ in shapes],
        "activation": shapes[0][1] if alike else [names for _, names in shapes],
        "output": first.activations[-1],
        "scaling": first.scaling,
        "scale_range": list(first.scale_range),
        "averaged": first.averaged,
        "energy_scale": first.energy_scale,
    }
    parts = [
        {"IsolatedAtoms": {"energies": _reference_energies(keywords, elements, unit)}},
        {"DescriptorPotential": {"descriptor": descriptor, "regressor": {"ScaledNetwork": regressor}}},
    ]
    potential = build({"Sum": {"parts": parts}}, where=str(keywords.path))
    potential.setup(Dataset(Structure(Atoms([number(e)])) for e in elements))
    (network,) = (term for term in potential.terms() if isinstance(term, DescriptorPotential))
    network.regressor.take([_padded(networks[e], network.descriptor.n_features) for e in elements])
    ranges = torch.stack([_padded(networks[e], network.descriptor.n_features).statistics[:2] for e in elements], dim=1)
    if not bool(ranges.isnan().any()):  # else the files do not tell extrapolation
        network.lowest, network.highest = ranges
    else:
        network.lowest = network.highest = None
    return potential.eval()


def _padded(network: AtomicNetwork, n_features: int) -> AtomicNetwork:
    """With columns for functions that only other elements have."""
    lacking = n_features - len(network.used)
    statistics = torch.nn.functional.pad(network.statistics, (0, lacking))
    used = torch.nn.functional.pad(network.used, (0, lacking))
    first, *others = network.weights
    first = torch.nn.functional.pad(first, (0, 0, 0, lacking))
    fields = vars(network) | {"statistics": statistics, "used": used, "weights": (first, *others)}
    return AtomicNetwork(**fields)


def _elements(keywords: Keywords) -> list[str]:
    """Symbols in the order of atomic number."""
    line, count = keywords.one("elements"), keywords.one("number_of_elements")
    try:
        elements = sorted(line.words, key=number)
    except UserError as error:
        raise error.at(line.where) from None
    if len(set(elements)) != len(elements):
        raise line.wrong("names an element twice")
    if len(elements) != count.whole(0):
        raise line.wrong(f"names {len(elements)}, number_of_elements says {count.whole(0)}")
    return elements


def _envelope(keywords: Keywords) -> Envelope:
    line = keywords.one("cutoff_type")
    try:
        return envelope_of(line.whole(0), line.number(1) if len(line.words) > 1 else 0.0)
    except UserError as error:
        raise error.at(line.where) from None


def _reference_energies(keywords: Keywords, elements: list[str], unit: UnitSystem) -> dict[str, float]:
    mean = keywords.value("mean_energy", 0.0)
    energies = dict.fromkeys(elements, mean * unit.energy)
    for line in keywords.all("atom_energy"):
        energies[_element(line, elements)] = (line.number(1) + mean) * unit.energy
    return energies


def _element(line: Line, elements: list[str]) -> str:
    if not line.words or line.words[0] not in elements:
        raise line.wrong(f"must begin with one of the elements {' '.join(elements)}")
    return line.words[0]


def _networks(
    folder: Path, keywords: Keywords, elements: list[str], functions: dict[str, list[FileFunction]], unit: UnitSystem
) -> dict[str, AtomicNetwork]:
    scaling, scale_range = _scaling(keywords)
    statistics = _statistics(folder / "scaling.data", elements, functions, scaling)
    normalised = [k for k in ("mean_energy", "conv_energy", "conv_length") if k in keywords]
    if len(normalised) not in (0, 3):
        raise UserError(f"{keywords.path}: mean_energy, conv_energy and conv_length belong together; one is missing")
    networks = {}
    for e in elements:
        weights = _weights(folder / f"weights.{number(e):03d}.data")
        shape = _shape(keywords, elements, e, len(functions[e]), len(weights), folder)
        sizes, matrices, biases = [len(functions[e]), *shape.hidden, 1], [], []
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
            matrix, bias, weights = weights.split([n_in * n_out, n_out, len(weights) - (n_in + 1) * n_out])
            matrices.append(matrix.reshape(n_in, n_out))
            biases.append(bias)
        networks[e] = AtomicNetwork(
            scaling=scaling,
            scale_range=scale_range,
            statistics=statistics[e],
            used=torch.ones(len(functions[e]), dtype=torch.bool),
            weights=tuple(matrices),
            biases=tuple(biases),
            activations=shape.activations,
            averaged="normalize_nodes" in keywords,
            energy_scale=unit.energy / keywords.value("conv_energy", 1.0),
        )
    if len({n.activations[-1] for n in networks.values()}) > 1:
        line = keywords.all("element_activation_short")[0]
        raise line.wrong("gives elements different activations of the output, which cannot be imported")
    return networks


def _scaling(keywords: Keywords) -> tuple[Scaling, tuple[float, float]]:
    scaled, centered = "scale_symmetry_functions" in keywords, "center_symmetry_functions" in keywords
    kind: Scaling = "scale" if scaled else "center"
    if scaled and centered:
        kind = "scale_center"
    elif not scaled and not centered:
        kind = "sigma" if "scale_symmetry_functions_sigma" in keywords else "none"
    return kind, (keywords.value("scale_min_short", 0.0), keywords.value("scale_max_short", 1.0))


def _statistics(path: Path, elements: list[str], functions, scaling: Scaling) -> dict[str, torch.Tensor]:
    """Lowest, highest, mean and standard deviation of every function; NaN where the file does not say."""
    found = {e: torch.full((4, len(functions[e])), torch.nan, dtype=torch.float64) for e in elements}
    if scaling == "none" and not path.exists():
        return found
    for where, text in numbered(path):
        line = Line(where, "the row", tuple(text.split()))
        if len(line.words) < 5:  # energies, charges, or nothing
            continue
        s, k = line.whole(0), line.whole(1)
        if not 1 <= s <= len(elements) or not 1 <= k <= len(functions[elements[s - 1]]):
            raise line.wrong(f"is of element {s}, function {k}, which input.nn does not have")
        known = line.words[:5] if line.words[-1].lower().endswith("nan") else line.words[:6]  # σ of a constant function
        values = torch.tensor([line.number(c) for c in range(2, len(known))], dtype=torch.float64)
        if scaling not in ("scale", "scale_center"):  # which compute with the range, whatever it is
            values[:2] = torch.where(values[:2].abs() < NEVER, values[:2], torch.nan)
        found[elements[s - 1]][: len(values), k - 1] = values
        if scaling == "sigma" and not (len(values) == 4 and values[3] > 0):
            raise line.wrong("has no standard deviation above zero, which scale_symmetry_functions_sigma divides by")
        if scaling in ("scale", "scale_center") and not values[1] > values[0]:
            raise line.wrong("has a range of zero, which n2p2 divides by; remove this symmetry function")
    for e in elements:
        lacking = torch.nonzero(found[e][2].isnan())[:, 0] + 1
        if len(lacking):
            raise UserError(
                f"{path}: {len(lacking)} of the {len(functions[e])} functions of {e} in input.nn have no row, the "
                f"first is number {int(lacking[0])}; the files do not belong together, or this one is cut short"
            )
    return found


def _weights(path: Path) -> torch.Tensor:
    lines = [Line(where, "the row", tuple(text.split())) for where, text in numbered(path) if text.split()]
    return torch.tensor([line.number(0) for line in lines], dtype=torch.float64)


def _shape(
    keywords: Keywords, elements: list[str], element: str, n_inputs: int, n_weights: int, folder: Path
) -> _Shape:
    """The shape of an element's network: as input.nn says, in the reading that its number of weights fits."""
    found = _readings(keywords, elements, element)
    for shape in found:
        sizes = [n_inputs, *shape.hidden, 1]
        if sum((n_in + 1) * n_out for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)) == n_weights:
            return shape
    sizes = "-".join(str(n) for n in [n_inputs, *found[0].hidden, 1])
    file = folder / f"weights.{number(element):03d}.data"
    raise UserError(f"{file}: {n_weights} weights do not make the network {sizes} of {element} in input.nn")


def _readings(keywords: Keywords, elements: list[str], element: str) -> list[_Shape]:
    """What the keywords may mean for an element.

    `element_nodes_short El n ...` names the nodes of all hidden layers, but n2p2 leaves the last layer at its global
    number; RuNNer has `element_nodes_short El layer n`.
    """
    depth = keywords.one("global_hidden_layers_short").whole(0) if "global_hidden_layers_short" in keywords else None
    for line in keywords.all("element_hidden_layers_short"):
        depth = line.whole(1) if _element(line, elements) == element else depth
    if depth is None:
        raise UserError(f"{keywords.path}: the keyword global_hidden_layers_short is missing")
    nodes = [keywords.one("global_nodes_short").whole(k) for k in range(depth)] if _global(keywords, depth) else []
    names = _activations(keywords, elements, element, depth)
    readings = [nodes]
    for line in keywords.all("element_nodes_short"):
        if _element(line, elements) != element:
            continue
        values = [line.whole(k) for k in range(1, len(line.words))]
        listed = [values, [*values[:-1], *nodes[-1:]]] if len(values) == depth else []
        single = []
        if len(values) == 2 and 1 <= values[0] <= depth and nodes:
            single = [[values[1] if k + 1 == values[0] else n for k, n in enumerate(r)] for r in readings]
        if not listed and not single:
            raise line.wrong(f"needs the nodes of {depth} hidden layers, or a layer and its nodes")
        readings = [r for r in [*listed, *single] if len(r) == depth]
    if not readings[0] and depth:
        raise UserError(f"{keywords.path}: the nodes of the hidden layers of {element} are missing")
    return [_Shape(tuple(r), names) for r in readings]


def _global(keywords: Keywords, depth: int) -> bool:
    return "global_nodes_short" in keywords and len(keywords.one("global_nodes_short").words) >= depth


def _activations(keywords: Keywords, elements: list[str], element: str, depth: int) -> tuple[str, ...]:
    """Names of the activations; as in n2p2 that of the output stays global where there is a global one."""
    lines = [keywords.one("global_activation_short")] if "global_activation_short" in keywords else []
    names: list[str] = []
    for line in lines + [k for k in keywords.all("element_activation_short") if _element(k, elements) == element]:
        words = line.words[1:] if line.keyword == "element_activation_short" else line.words
        letters = {w for w in words if w not in ACTIVATIONS and not w.isdecimal()}
        if letters:
            raise line.wrong(f"'{min(letters)}' is not known; there are {' '.join(ACTIVATIONS)}")
        if len(words) == 2 and words[0].isdecimal() and len(names) > int(words[0]) - 1 >= 0:
            names[int(words[0]) - 1] = ACTIVATIONS[words[1]]
        elif len(words) == depth + 1:
            names = [ACTIVATIONS[w] for w in words[:-1]] + [names[-1] if names else ACTIVATIONS[words[-1]]]
        elif line.keyword == "element_activation_short":
            raise line.wrong(f"needs {depth + 1} letters, the last for the output; {len(words)} are there")
    if not names:
        raise UserError(
            f"{keywords.path}: {element} needs {depth + 1} activations, by global_activation_short or its own"
        )
    return tuple(names)
