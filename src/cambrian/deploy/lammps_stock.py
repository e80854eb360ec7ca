"""Potentials as files for LAMMPS: SNAP, qSNAP, networks on SNAP's components, ACE, with repulsion beside them.

    potential.snapcoeff, potential.snapparam               coefficients and parameters; reference energies in β_0
    potential.mliap.model, potential.mliap.descriptor      layers and parameters; reference energies in the last bias
    potential.yace                                         a cluster expansion, for LAMMPS with the package ML-PACE
    in.lammps                                              pair_style and pair_coeff, to be included after the atoms

Every number is written to its last digit. Every term of a potential says what it is for LAMMPS
(`contracts/lammps.py`); here they become text.
Formats: the pages of pair_style snap, mliap, zbl and hybrid/overlay in the manual of LAMMPS, https://docs.lammps.org.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from cambrian.contracts.archive import write_in_place
from cambrian.contracts.lammps import (
    LammpsConstants,
    LammpsNetwork,
    LammpsOverlay,
    LammpsPace,
    LammpsPair,
    LammpsSnap,
    SnapElement,
)
from cambrian.contracts.potential import Potential
from cambrian.deploy.mliap import descriptor_text, model_text, with_energies
from cambrian.deploy.yace_text import yace_text
from cambrian.elements import symbols
from cambrian.errors import UserError


@dataclass
class _Parts:
    """The forms of all terms, sorted by kind."""

    pairs: list[LammpsPair] = field(default_factory=list)
    models: list[LammpsSnap | LammpsNetwork | LammpsPace] = field(default_factory=list)
    constants: Counter = field(default_factory=Counter)


def deploy(potential: Potential, folder: str | Path, *, name: str = "potential") -> list[Path]:
    """Write a fitted potential for stock LAMMPS, and say which files were written; `in.lammps` is the last.

    Raises UserError, naming the term, for what stock LAMMPS cannot run.
    """
    elements = symbols(potential.elements)
    if not elements:
        raise UserError("this potential is not fitted yet; fit it, or load a fitted one, before deploying it")
    parts = _parts_of(potential)
    if parts.constants and not parts.models:
        raise UserError("LAMMPS has no place for reference energies without a SNAP to carry them; deploy it without")
    if not parts.models and not parts.pairs:
        raise UserError("there is nothing to deploy: the potential has no term")
    files: dict[str, str] = {}
    styles = [(pair.style, _by_types(pair, elements)) for pair in parts.pairs]
    for k, model in enumerate(parts.models):
        stem = name if k == 0 else f"{name}_{k + 1}"
        texts, style, words = _written(model, stem, parts.constants if k == 0 else Counter())
        files |= texts
        styles.append((style, [f"* * {' '.join([*words, *elements])}"]))
    files["in.lammps"] = _input_text(styles, elements)
    folder = Path(folder)
    for file, text in files.items():
        write_in_place(folder / file, text.encode())
    return [folder / file for file in files]


def coefficient_text(snap: LammpsSnap) -> str:
    """The content of a .snapcoeff file."""
    (count,) = {len(e.coefficients) for e in snap.elements.values()}
    lines = ["# SNAP coefficients in eV, the constant first; written by cambrian", f"{len(snap.elements)} {count}"]
    for element, block in snap.elements.items():
        lines.append(f"{element} {block.radius!r} {block.weight!r}")
        lines += [repr(float(c)) for c in block.coefficients]
    return "\n".join(lines) + "\n"


def parameter_text(snap: LammpsSnap) -> str:
    """The content of a .snapparam file."""
    lines = ["# SNAP parameters, lengths in angstrom; written by cambrian"]
    lines += [f"{key} {value!r}" for key, value in snap.parameters.items()]
    return "\n".join(lines) + "\n"


def _written(
    model: LammpsSnap | LammpsNetwork | LammpsPace, stem: str, constants: Counter
) -> tuple[dict[str, str], str, list[str]]:
    """Files of a model with reference energies inside, its pair style, and what `pair_coeff` says before elements."""
    if isinstance(model, LammpsSnap):
        snap = _with_constants(model, constants)
        texts = {f"{stem}.snapcoeff": coefficient_text(snap), f"{stem}.snapparam": parameter_text(snap)}
        return texts, "snap", list(texts)
    if isinstance(model, LammpsPace):
        pairs = zip(model.elements, model.energies, strict=True)
        shifted = replace(model, energies=tuple(energy + constants.get(e, 0.0) for e, energy in pairs))
        return {f"{stem}.yace": yace_text(shifted)}, "pace product", [f"{stem}.yace"]
    network = with_energies(model, constants)
    texts = {f"{stem}.mliap.model": model_text(network), f"{stem}.mliap.descriptor": descriptor_text(network)}
    return texts, f"mliap model nn {stem}.mliap.model descriptor sna {stem}.mliap.descriptor", []


def _parts_of(potential: Potential) -> _Parts:
    parts = _Parts()
    for term in potential.terms():
        match term.lammps():
            case LammpsConstants(energies):
                parts.constants.update(energies)
            case LammpsSnap() | LammpsNetwork() | LammpsPace() as model:
                parts.models.append(model)
            case LammpsPair() as pair:
                parts.pairs.append(pair)
            case LammpsOverlay(pairs):
                parts.pairs += pairs
            case _:
                raise UserError(
                    f"{_name(term)} has no form that stock LAMMPS runs; SNAP, qSNAP and networks of tanh or sigmoid "
                    "on the bispectrum have, with ZBL and reference energies beside them (recipes snap, qsnap, snap_nn)"
                )
    return parts


def _name(term: Potential) -> str:
    inside = [
        type(term.get_submodule(k)).__name__ for k in ("descriptor", "regressor", "potential") if hasattr(term, k)
    ]
    return type(term).__name__ + (f" ({', '.join(inside)})" if inside else "")


def _with_constants(snap: LammpsSnap, constants: Counter) -> LammpsSnap:
    """β_0 of each element with its reference energy added."""

    def shifted(element: str, block: SnapElement) -> SnapElement:
        first, *others = block.coefficients
        return replace(block, coefficients=[first + constants.get(element, 0.0), *others])

    return replace(snap, elements={e: shifted(e, block) for e, block in snap.elements.items()})


def _by_types(pair: LammpsPair, elements: list[str]) -> list[str]:
    """Arguments of `pair_coeff` with types, lower type first, for elements by symbol."""
    lines = []
    for (first, second), words in pair.coefficients.items():
        i, j = elements.index(first) + 1, elements.index(second) + 1
        lines.append(f"{min(i, j)} {max(i, j)} {words}")
    return lines


def _input_text(styles: list[tuple[str, list[str]]], elements: list[str]) -> str:
    types = ", ".join(f"{k + 1} = {e}" for k, e in enumerate(elements))
    lines = [
        "# Written by cambrian. In an input with `units metal`, after the atoms are made or read:  include in.lammps",
        f"# Atom types: {types}. The files named below are looked for where LAMMPS is started.",
    ]
    if len(styles) == 1:
        ((style, coefficients),) = styles
        return "\n".join([*lines, f"pair_style {style}", *(f"pair_coeff {c}" for c in coefficients)]) + "\n"
    names = [style.split()[0] for style, _ in styles]
    lines.append("pair_style hybrid/overlay " + " ".join(style for style, _ in styles))
    for k, (_, coefficients) in enumerate(styles):
        # a style that stands there more than once is told apart by its number
        label = names[k] if names.count(names[k]) == 1 else f"{names[k]} {names[: k + 1].count(names[k])}"
        for c in coefficients:
            i, j, words = c.split(maxsplit=2)
            lines.append(f"pair_coeff {i} {j} {label} {words}")
    return "\n".join(lines) + "\n"
