"""SNAP's two files, .snapcoeff and .snapparam, as a potential."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from cambrian.contracts.catalogue import build
from cambrian.contracts.lammps import LammpsSnap, SnapElement
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.elements import number
from cambrian.errors import UserError

DEFAULTS = {"rfac0": 0.99363, "rmin0": 0.0, "bzeroflag": 1, "bnormflag": 0, "switchflag": 1, "chemflag": 0}
DEFAULTS |= {"wselfallflag": 0, "quadraticflag": 0, "switchinnerflag": 0}
WITHOUT_EFFECT = ("diagonalstyle", "chunksize", "parallelthresh", "sinner", "dinner")


def read_coefficients(path: Path) -> dict[str, SnapElement]:
    """Blocks of a .snapcoeff file by element symbol."""
    words = [word for line in text_of(path).splitlines() for word in line.split("#")[0].split()]
    try:
        n_elements, n_coefficients = int(words[0]), int(words[1])
        size = 3 + n_coefficients
        if len(words) != 2 + n_elements * size:
            raise UserError(
                f"{path}: {n_elements} elements with {n_coefficients} coefficients are announced, "
                f"{len(words) - 2 - 3 * n_elements} numbers found; the file may be truncated"
            )
        blocks = [words[2 + k * size : 2 + (k + 1) * size] for k in range(n_elements)]
        return {b[0]: SnapElement(float(b[1]), float(b[2]), [float(c) for c in b[3:]]) for b in blocks}
    except (IndexError, ValueError) as error:
        raise error if isinstance(error, UserError) else UserError(f"{path} is no .snapcoeff file: {error}") from None


def read_parameters(path: Path) -> dict[str, float]:
    """Keywords of a .snapparam file, those not given at LAMMPS's defaults; those without effect are left out."""
    parameters = dict(DEFAULTS)
    for line in text_of(path).splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] in WITHOUT_EFFECT:
            continue
        take_parameter(parameters, words, str(path))
    return whole(parameters, str(path))


def take_parameter(parameters: dict[str, float], words: list[str], where: str) -> None:
    """Put a line of a keyword and a number among the parameters."""
    if words[0] not in (*DEFAULTS, "rcutfac", "twojmax") or len(words) != 2:
        raise UserError(f"{where}: '{' '.join(words)}' is no parameter of SNAP that can be imported")
    try:
        parameters[words[0]] = float(words[1])
    except ValueError:
        raise UserError(f"{where}: {words[0]} takes a number, not '{words[1]}'") from None


def whole(parameters: dict[str, float], where: str) -> dict[str, float]:
    """Parameters of which none is lacking or unknown here."""
    if not {"rcutfac", "twojmax"} <= set(parameters):
        raise UserError(f"{where}: rcutfac and twojmax are needed")
    if parameters.pop("switchinnerflag"):
        raise UserError(f"{where}: the inner switch (switchinnerflag 1) cannot be imported")
    return parameters


def read_snap(coefficients: Path, parameters: Path, elements: list[str] | None) -> LammpsSnap:
    """The potential of two files, of all elements or of some; raises UserError for what is not there or not known."""
    return by_number(read_parameters(parameters), read_coefficients(coefficients), elements, str(coefficients))


def by_number(
    parameters: dict[str, float], blocks: dict[str, SnapElement], elements: list[str] | None, where: str
) -> LammpsSnap:
    """Elements wanted, or all, in the order of their numbers; densities by element (chem) in that order too."""
    if lacking := sorted(set(elements or ()) - set(blocks)):
        raise UserError(f"{where} holds {', '.join(blocks)}, and no {', '.join(lacking)}")
    chosen = sorted(set(elements or blocks), key=number)
    if not parameters["chemflag"]:
        return LammpsSnap(parameters, {e: blocks[e] for e in chosen})
    if len(chosen) < len(blocks):
        raise UserError(f"{where}: with chemflag, all of {', '.join(blocks)} must be imported together")
    order, n = [list(blocks).index(e) for e in chosen], len(blocks)

    def turned(block: SnapElement) -> SnapElement:
        first, *others = block.coefficients
        if parameters["quadraticflag"] or len(others) % n**3:
            raise UserError(f"{where}: with chemflag, linear coefficients for every three elements are needed")
        table = np.reshape(others, (n, n, n, -1))[np.ix_(order, order, order)]
        return replace(block, coefficients=[first, *table.ravel().tolist()])

    return LammpsSnap(parameters, {e: turned(blocks[e]) for e in chosen})


def snap_potential(snap: LammpsSnap) -> Potential:
    """Descriptor and regressor with these coefficients; raises UserError where their number does not fit."""
    p, elements = snap.parameters, snap.elements
    descriptor = {"cutoff": p["rcutfac"], "two_j_max": int(p["twojmax"]), "rfac0": p["rfac0"], "rmin0": p["rmin0"]}
    descriptor |= {name: bool(p[f"{name}flag"]) for name in ("bzero", "bnorm", "switch", "chem", "wselfall")}
    descriptor |= {"radii": {e: block.radius for e, block in elements.items()}}
    descriptor |= {"weights": {e: block.weight for e, block in elements.items()}}
    regressor = "QuadraticRegressor" if p["quadraticflag"] else "LinearRegressor"
    arguments = {"descriptor": {"SO4Bispectrum": descriptor}, "regressor": {regressor: {}}}
    potential = build({"DescriptorPotential": arguments}, where="the imported SNAP")
    numbers = [number(e) for e in elements]
    known = Dataset(Structure(Atoms([z])) for z in numbers)
    potential.setup(known)
    coefficients = torch.tensor([c for block in elements.values() for c in block.coefficients], dtype=torch.float64)
    view = potential.linear()
    if len(view.coefficients) != len(coefficients):
        count = len(view.coefficients) // len(elements)
        raise UserError(
            f"twojmax {p['twojmax']:.0f} needs {count} coefficients of each element; the file has another number"
        )
    view.coefficients = coefficients
    return potential


def text_of(path: Path) -> str:
    """Content of a file; raises UserError where it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
