"""A fitted potential as one file for the compiled library, which runs without Python: in LAMMPS, or anywhere else.

The file is a safetensors container of float64 and int64 arrays named `<member>.<term>.<kind>.<array>`; which arrays a
kind has stands in `native/deployed_<kind>.cpp`. Its metadata: `format`, `version`, `elements` (symbols, in the order in
which species count), `cambrian`, `summary`, and `checksum`, the CRC-32 of the whole file with its own eight digits as
zeros. A committee has several members; every other potential has one.
"""

import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from cambrian.contracts.archive import write_in_place
from cambrian.contracts.committee import Committee
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.elements import symbols
from cambrian.errors import UserError

FORMAT, FORMAT_VERSION = "cambrian compiled potential", "1"
NO_CHECKSUM = "0" * 8


def write_compiled(potential: Potential, path: str | Path) -> Path:
    """Write the file; raises UserError, naming the term, for what has no compiled form."""
    path = Path(path)
    write_in_place(path, compiled_file(potential))
    return path


def compiled_file(potential: Potential) -> bytes:
    """The contents of the file; raises UserError, naming the term, for what has no compiled form."""
    numbers = _numbers(potential)
    if not numbers:
        raise UserError("this potential is not fitted yet; fit it, or load a fitted one, before deploying it")
    lacking = not_compiled(potential)
    if lacking:
        raise UserError(f"there is no compiled form of {', '.join(lacking)}: it runs through Python alone")
    members = [[part for term in member for part in term.compiled(numbers) or []] for member in _members(potential)]
    if not all(members):
        raise UserError("there is nothing to deploy: the potential has no term")
    arrays = {
        f"{m}.{t}.{part.kind}.{name}": values
        for m, parts in enumerate(members)
        for t, part in enumerate(parts)
        for name, values in part.arrays.items()
    }
    return _sealed(arrays, symbols(numbers), _summary(potential, members[0]))


def not_compiled(potential: Potential) -> list[str]:
    """The terms that have no compiled form, by the names of their classes; empty where `write_compiled` will do."""
    numbers = _numbers(potential)
    terms = [term for member in _members(potential) for term in member]
    return list(dict.fromkeys(_name(term) for term in terms if _form(term, numbers) is None))


def _numbers(potential: Potential) -> list[int]:
    """The elements of a potential, or of its terms where these were fitted before they were added."""
    every = [potential, *(term for member in _members(potential) for term in member)]
    return next((p.elements.tolist() for p in every if len(p.elements)), [])


def _form(term: Potential, numbers: list[int]) -> list[CompiledPart] | None:
    known = term.elements.tolist()
    return term.compiled(numbers) if not known or known == numbers else None


def _members(potential: Potential) -> list[list[Potential]]:
    """The terms of each member; terms beside a committee belong to all of its members."""
    terms = list(potential.terms())
    committees = [term for term in terms if isinstance(term, Committee)]
    if len(committees) != 1:
        return [terms]
    beside = [term for term in terms if term is not committees[0]]
    return [[*beside, *member.terms()] for member in committees[0].members]


def _name(term: Potential) -> str:
    if isinstance(term, Frozen):
        return _name(term.potential)
    if isinstance(term, DescriptorPotential):
        return f"{type(term.descriptor).__name__} with {type(term.regressor).__name__}"
    return type(term).__name__


def _summary(potential: Potential, parts: list[CompiledPart]) -> str:
    names = [_name(term) for term in _members(potential)[0]]
    count = len(_members(potential))
    return " + ".join(names) + (f", a committee of {count}" if count > 1 else "")


def _sealed(arrays: dict[str, np.ndarray], elements: list[str], summary: str) -> bytes:
    """The file with its checksum."""
    metadata = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "elements": " ".join(elements),
        "cambrian": version("cambrian"),
        "summary": summary,
        "checksum": NO_CHECKSUM,
    }
    contents = save(arrays, metadata=metadata)
    before, zeros, after = contents.partition(f'"checksum":"{NO_CHECKSUM}"'.encode())
    return before + zeros.replace(NO_CHECKSUM.encode(), b"%08x" % zlib.crc32(contents)) + after
