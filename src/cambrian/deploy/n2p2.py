"""Potentials as files of n2p2: input.nn, scaling.data, weights.ZZZ.data, and in.lammps for `pair_style hdnnp`.

    E = Σ_i (atom_energy(s_i) + MLP_{s_i}(scaled G_i)/conv_energy)

Any reference energies with symmetry functions and a network per element can be written, whatever whitened or scaled its
inputs; every number to its last digit. A repulsion beside the network is no part of such files: in.lammps adds it, and
nnp-predict does not know it.
n2p2 gives all elements one number of hidden layers, and one number of nodes in the last of them: smaller networks are
filled up with nodes that lead nowhere. It does not know functions that never vary where it divides by their range: they
are left out, as they were in the fit.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from cambrian.contracts.archive import write_in_place
from cambrian.contracts.atomic_network import AtomicNetwork, SymmetryFunctions
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.lammps import LammpsConstants, LammpsOverlay, LammpsPair
from cambrian.contracts.potential import Potential
from cambrian.data.unit_system import UnitSystem
from cambrian.deploy.n2p2_functions import FileFunction
from cambrian.deploy.n2p2_words import ACTIVATIONS, NEVER, UNITS, cutoff_words
from cambrian.elements import number, symbols
from cambrian.errors import UserError

LETTERS = {name: letter for letter, name in ACTIVATIONS.items()}
SCALINGS = {
    "none": [],
    "center": ["center_symmetry_functions"],
    "scale": ["scale_symmetry_functions"],
    "scale_center": ["scale_symmetry_functions", "center_symmetry_functions"],
    "sigma": ["scale_symmetry_functions_sigma"],
}
REACH = 1 + 1e-9  # n2p2 wants the cutoff of LAMMPS no smaller than its own after conversion


@dataclass
class _Parts:
    """What a potential is made of."""

    network: DescriptorPotential | None = None
    constants: Counter = field(default_factory=Counter)
    pairs: list[LammpsPair] = field(default_factory=list)


@dataclass(frozen=True)
class _Element:
    """The functions of an element in the order of n2p2, and the network on them."""

    functions: list[FileFunction]
    network: AtomicNetwork


def deploy(
    potential: Potential,
    folder: str | Path,
    *,
    units: str = UNITS,
    remark: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a fitted potential for n2p2 in `units`, and say which files were written; in.lammps is the last.

    `remark` hears what the files do not hold. Raises UserError, naming the term, for what n2p2 cannot run.
    """
    elements, unit = symbols(potential.elements), UnitSystem.parse(units)
    if not elements:
        raise UserError("this potential is not fitted yet; fit it, or load a fitted one, before deploying it")
    parts = _parts_of(potential)
    if parts.network is None:
        raise UserError("n2p2 needs symmetry functions with a network per element; this potential has none")
    made = _elements(parts.network, unit)
    energies = {e: parts.constants.get(e, 0.0) / unit.energy for e in elements}
    envelope = cutoff_words(_functions(parts.network).envelope)
    files = {"input.nn": _input_text(made, energies, envelope, units, unit, bool(parts.pairs))}
    files["scaling.data"] = _scaling_text(made)
    for e, element in made.items():
        files[f"weights.{number(e):03d}.data"] = _weights_text(element.network)
    files["in.lammps"] = _lammps_text(parts, elements, unit)
    if parts.pairs:
        remark("the repulsion beside the network stands in in.lammps alone; nnp-predict computes without it")
    folder = Path(folder)
    for file, text in files.items():
        write_in_place(folder / file, text.encode())
    return [folder / file for file in files]


def _parts_of(potential: Potential) -> _Parts:
    parts = _Parts()
    for term in potential.terms():
        inside = term.potential if isinstance(term, Frozen) else term
        if isinstance(inside, DescriptorPotential):
            if parts.network is not None:
                raise UserError("n2p2 takes one descriptor with one network per element; this potential has two")
            parts.network = inside
            continue
        match term.lammps():
            case LammpsConstants(energies):
                parts.constants.update(energies)
            case LammpsPair() as pair:
                parts.pairs.append(pair)
            case LammpsOverlay(pairs):
                parts.pairs += pairs
            case _:
                raise UserError(
                    f"{type(inside).__name__} has no place beside a potential of n2p2; symmetry functions with a "
                    "network, reference energies and ZBL have"
                )
    return parts


def _functions(term: DescriptorPotential) -> SymmetryFunctions:
    functions = term.descriptor.symmetry_functions()
    if functions is None:
        raise UserError(f"n2p2 knows symmetry functions (ACSF), not {type(term.descriptor).__name__}")
    return functions


def _elements(term: DescriptorPotential, unit: UnitSystem) -> dict[str, _Element]:
    """Functions and networks of every element as the files need them."""
    networks = term.regressor.networks()
    if networks is None:
        raise UserError(f"n2p2 knows a network per element, not {type(term.regressor).__name__}")
    known, of = symbols(term.elements), _functions(term).of
    made = {}
    for s, (e, network) in enumerate(zip(known, networks, strict=True)):
        for name in network.activations:
            if name not in LETTERS:
                raise UserError(f"n2p2 does not know the activation '{name}'; it knows {', '.join(LETTERS)}")
        functions = [FileFunction.of(f, known, unit.length) for f in of[number(e)]]
        kept = [k for k in range(len(functions)) if network.used[k]]
        if not kept:
            raise UserError(f"no function of {e} varied in the training set, so n2p2 has nothing to put {e} on")
        order = sorted(kept, key=lambda k: functions[k].order())
        network = _ranged(network, term, s)
        network = replace(
            network,
            statistics=network.statistics[:, order],
            used=network.used[order],
            weights=(network.weights[0][order], *network.weights[1:]),
        )
        made[e] = _Element([functions[k] for k in order], network)
    return _filled(made)


def _ranged(network: AtomicNetwork, term: DescriptorPotential, s: int) -> AtomicNetwork:
    """With the ranges of the training set where the network itself does not know them."""
    lowest, highest, mean, deviation = network.statistics
    if term.lowest is not None and term.highest is not None:
        lowest = torch.where(lowest.isnan(), term.lowest[s], lowest)
        highest = torch.where(highest.isnan(), term.highest[s], highest)
    lowest, highest = lowest.nan_to_num(-NEVER), highest.nan_to_num(NEVER)
    return replace(network, statistics=torch.stack([lowest, highest, mean.nan_to_num(), deviation.nan_to_num()]))


def _filled(made: dict[str, _Element]) -> dict[str, _Element]:
    """All networks with the nodes of the widest, by nodes whose weights are zero."""
    depths = {e: len(element.network.weights) for e, element in made.items()}
    if len(set(depths.values())) > 1:
        raise UserError("n2p2 cannot give elements different numbers of hidden layers")
    depth = max(depths.values())
    widths = [max(m.network.biases[k].numel() for m in made.values()) for k in range(depth)]

    def filled(network: AtomicNetwork) -> AtomicNetwork:
        weights, biases = [], []
        for k, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            rows = weight.shape[0] if k == 0 else widths[k - 1]
            more = (0, widths[k] - weight.shape[1])
            share = rows / weight.shape[0] if network.averaged else 1.0
            weights.append(share * torch.nn.functional.pad(weight, (*more, 0, rows - weight.shape[0])))
            biases.append(share * torch.nn.functional.pad(bias, more))
        return replace(network, weights=tuple(weights), biases=tuple(biases))

    return {e: replace(m, network=filled(m.network)) for e, m in made.items()}


def _input_text(
    made: dict[str, _Element],
    energies: dict[str, float],
    envelope: str,
    units: str,
    unit: UnitSystem,
    with_pairs: bool,
) -> str:
    networks = {e: m.network for e, m in made.items()}
    first = next(iter(networks.values()))
    lines = [f"# Written by cambrian; {units}. Only what a prediction needs: add the keywords of training to go on."]
    if with_pairs:
        lines.append("# A repulsion belongs to this potential that n2p2 does not know: see in.lammps.")
    lines += [f"number_of_elements {len(made)}", f"elements {' '.join(made)}"]
    lines += [f"atom_energy {e} {energies[e]!r}" for e in made]
    if first.energy_scale != unit.energy:
        lines += ["mean_energy 0.0", f"conv_energy {unit.energy / first.energy_scale!r}", "conv_length 1.0"]
    lines += [f"cutoff_type {envelope}", *SCALINGS[first.scaling]]
    if first.scaling not in ("none", "center"):
        least, most = first.scale_range
        lines += [f"scale_min_short {float(least)!r}", f"scale_max_short {float(most)!r}"]
    hidden = [b.numel() for b in first.biases[:-1]]
    lines += [f"global_hidden_layers_short {len(hidden)}", f"global_nodes_short {' '.join(map(str, hidden))}"]
    lines += [*_activation_lines(networks), *(["normalize_nodes"] if first.averaged else [])]
    for e, element in made.items():
        lines += ["", *(f.text(e) for f in element.functions)]
    return "\n".join(lines) + "\n"


def _activation_lines(networks: dict[str, AtomicNetwork]) -> list[str]:
    """One line for all; n2p2 lets one element differ."""
    letters = {e: " ".join(LETTERS[name] for name in n.activations) for e, n in networks.items()}
    common, _ = Counter(letters.values()).most_common(1)[0]
    others = [e for e in letters if letters[e] != common]
    if len(others) > 1:
        raise UserError(f"n2p2 lets one element have activations of its own, not {', '.join(others)}")
    return [f"global_activation_short {common}", *(f"element_activation_short {e} {letters[e]}" for e in others)]


def _scaling_text(made: dict[str, _Element]) -> str:
    lines = ["# Element, function, lowest, highest, mean and standard deviation; written by cambrian"]
    for s, element in enumerate(made.values(), start=1):
        for k, row in enumerate(element.network.statistics.T.tolist(), start=1):
            lines.append(f"{s} {k} {' '.join(map(repr, row))}")
    return "\n".join(lines) + "\n"


def _weights_text(network: AtomicNetwork) -> str:
    """Weights node by node of the layer before, then biases, layer by layer; with n2p2's own columns behind."""
    lines = ["# Weight (a) or bias (b), its number, from layer and node, to layer and node; written by cambrian"]
    count = 0
    for k, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        for i, row in enumerate(weight.tolist(), start=1):
            for j, value in enumerate(row, start=1):
                count += 1
                lines.append(f"{value!r} a {count} {k - 1} {i} {k} {j}")
        for j, value in enumerate(bias.tolist(), start=1):
            count += 1
            lines.append(f"{value!r} b {count} {k} {j}")
    return "\n".join(lines) + "\n"


def _lammps_text(parts: _Parts, elements: list[str], unit: UnitSystem) -> str:
    assert parts.network is not None
    words = "showew no showewsum 1000 resetew yes maxew 1000"
    factors = f"cflength {1 / unit.length!r} cfenergy {1 / unit.energy!r}"
    style = f"hdnnp {parts.network.cutoff * REACH!r} dir . {words} {factors}"
    types = ", ".join(f"{k} = {e}" for k, e in enumerate(elements, start=1))
    lines = [
        "# Written by cambrian. In an input with `units metal`, after the atoms are made or read:  include in.lammps",
        f"# Atom types: {types}. LAMMPS needs its package ML-HDNNP, and is started in this folder (else change `dir`).",
    ]
    if not parts.pairs:
        return "\n".join([*lines, f"pair_style {style}", f"pair_coeff * * {' '.join(elements)}"]) + "\n"
    styles = [pair.style for pair in parts.pairs]
    names = [s.split()[0] for s in styles]
    lines.append(f"pair_style hybrid/overlay {style} {' '.join(styles)}")
    lines.append(f"pair_coeff * * hdnnp {' '.join(elements)}")
    for k, pair in enumerate(parts.pairs):
        label = names[k] if names.count(names[k]) == 1 else f"{names[k]} {names[: k + 1].count(names[k])}"
        for (one, two), words in pair.coefficients.items():
            i, j = sorted((elements.index(one) + 1, elements.index(two) + 1))
            lines.append(f"pair_coeff {i} {j} {label} {words}")
    return "\n".join(lines) + "\n"
