"""SNAP and qSNAP potentials of others: .snapcoeff, .snapparam and the pair_style / pair_coeff lines that go with them.

    pair_style hybrid/overlay zero 10.0 zbl 4.0 4.8 snap
    pair_coeff * * zero
    pair_coeff * * zbl 73 73
    pair_coeff * * snap Ta.snapcoeff Ta.snapparam Ta

Styles read are snap, zbl and zero. The result is an ordinary potential, ready to use.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import torch
from ase import Atoms
from ase.data import covalent_radii

from cambrian.contracts.catalogue import build
from cambrian.contracts.lammps import LammpsSnap, SnapElement
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.deploy.pair_lines import PairLine, pair_lines, types_of
from cambrian.elements import number, symbol
from cambrian.errors import UserError

DEFAULTS = {"rfac0": 0.99363, "rmin0": 0.0, "bzeroflag": 1, "bnormflag": 0, "switchflag": 1, "chemflag": 0}
DEFAULTS |= {"wselfallflag": 0, "quadraticflag": 0, "switchinnerflag": 0}
WITHOUT_EFFECT = ("diagonalstyle", "chunksize", "parallelthresh", "sinner", "dinner")
LARGEST_INPUT = 2**20  # bytes; a file beyond this holds no pair lines


@dataclass(frozen=True)
class _Repulsion:
    """One `zbl` style: its two distances, and the pairs of elements it was given."""

    inner: float
    outer: float
    pairs: set[tuple[int, int]]


def import_lammps(place: str | Path) -> Potential:
    """A potential from a folder, or from the file of its pair lines.

    A folder is searched for a file with pair_style lines; without one its .snapcoeff and .snapparam suffice.
    Raises UserError for what cannot be read or is more than SNAP with ZBL.
    """
    place = Path(place)
    if not place.exists():
        raise UserError(f"there is no {place} to import from")
    found = _input_of(place) if place.is_dir() else place
    if found is None:
        coefficients, parameters = (_only(place, suffix) for suffix in (".snapcoeff", ".snapparam"))
        return _assembled(_read_snap(coefficients, parameters, None), [])
    lines = pair_lines(found.read_text(errors="replace"), str(found))
    snaps = [line for line in lines if line.style == "snap"]
    if len(snaps) != 1 or len(snaps[0].words) < 3:
        raise UserError(f"{found}: one line `pair_coeff * * FILE.snapcoeff FILE.snapparam Element ...` is needed")
    files, elements = snaps[0].words[:2], snaps[0].words[2:]
    if snaps[0].types != ("*", "*") or "NULL" in elements:
        raise UserError(f"{found}: snap must stand for all types (`pair_coeff * *`, no NULL) to be imported")
    snap = _read_snap(found.parent / files[0], found.parent / files[1], elements)
    return _assembled(snap, _repulsions(lines, elements, str(found)))


def read_coefficients(path: Path) -> dict[str, SnapElement]:
    """Blocks of a .snapcoeff file by element symbol."""
    words = [word for line in _text(path).splitlines() for word in line.split("#")[0].split()]
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
    for line in _text(path).splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] in WITHOUT_EFFECT:
            continue
        if words[0] not in (*DEFAULTS, "rcutfac", "twojmax") or len(words) != 2:
            raise UserError(f"{path}: '{line.strip()}' is no parameter of SNAP that can be imported")
        try:
            parameters[words[0]] = float(words[1])
        except ValueError:
            raise UserError(f"{path}: {words[0]} takes a number, not '{words[1]}'") from None
    if not {"rcutfac", "twojmax"} <= set(parameters):
        raise UserError(f"{path}: rcutfac and twojmax are needed")
    if parameters.pop("switchinnerflag"):
        raise UserError(f"{path}: the inner switch (switchinnerflag 1) cannot be imported")
    return parameters


def _read_snap(coefficients: Path, parameters: Path, elements: list[str] | None) -> LammpsSnap:
    blocks = read_coefficients(coefficients)
    lacking = sorted(set(elements or ()) - set(blocks))
    if lacking:
        raise UserError(f"{coefficients} holds {', '.join(blocks)}, and no {', '.join(lacking)}")
    chosen = sorted(set(elements or blocks), key=number)
    return LammpsSnap(read_parameters(parameters), {e: blocks[e] for e in chosen})


def _assembled(snap: LammpsSnap, repulsions: list[_Repulsion]) -> Potential:
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
    if not repulsions:
        return potential
    repulsion = _repulsive(repulsions, numbers)
    total = build({"Sum": {"parts": []}})
    total = total + potential + repulsion
    total.elements = potential.elements.clone()
    return total


def _repulsive(repulsions: list[_Repulsion], numbers: list[int]) -> Potential:
    """The `zbl` styles as one term, set up on dimers that stand at the end of each pair's reach."""
    reach = {pair: r for r in repulsions for pair in r.pairs}
    wanted = list(combinations_with_replacement(sorted(numbers), 2))
    if sorted(reach) != wanted or sum(len(r.pairs) for r in repulsions) != len(wanted):
        raise UserError("zbl must act once between every two of the elements to be imported")
    if len({(r.inner, r.outer) for r in repulsions}) == 1:
        arguments = {"inner": repulsions[0].inner, "outer": repulsions[0].outer}
    elif all(r.inner == 0.5 * r.outer for r in repulsions):
        radii = {pair: covalent_radii[pair[0]] + covalent_radii[pair[1]] for pair in wanted}
        arguments = {"radius_fraction": 1.01 * max(reach[pair].outer / radii[pair] for pair in wanted)}
    else:
        raise UserError("several zbl styles can be imported only where each begins at half of where it ends")
    term = build({"Frozen": {"potential": {"ZBL": arguments}}}, where="the imported zbl")
    term.setup(Dataset(Structure(Atoms(pair, [[0, 0, 0], [reach[pair].outer, 0, 0]])) for pair in wanted))
    return term


def _repulsions(lines: list[PairLine], elements: list[str], where: str) -> list[_Repulsion]:
    found: dict[tuple, _Repulsion] = {}
    for line in (line for line in lines if line.style == "zbl"):
        try:
            (inner, outer), (first, second) = map(float, line.arguments), map(int, map(float, line.words))
        except ValueError:
            raise UserError(f"{where}: '{line.text}' takes two distances and two atomic numbers") from None
        style = found.setdefault((line.rank, inner, outer), _Repulsion(inner, outer, set()))
        for i in types_of(line.types[0], len(elements), where):
            for j in types_of(line.types[1], len(elements), where):
                if i > j and "*" in "".join(line.types):
                    continue
                given, known = sorted((first, second)), sorted((number(elements[i - 1]), number(elements[j - 1])))
                if given != known:
                    names = " and ".join(symbol(z) for z in known)
                    raise UserError(f"{where}: '{line.text}' gives nuclear charges that are not those of {names}")
                style.pairs.add((known[0], known[1]))
    return list(found.values())


def _input_of(folder: Path) -> Path | None:
    """The file of a folder that holds pair lines."""
    candidates = [
        f
        for f in sorted(folder.iterdir())
        if f.is_file()
        and f.suffix not in (".snapcoeff", ".snapparam")
        and not f.name.startswith("log.")
        and f.stat().st_size < LARGEST_INPUT
    ]
    holding = [f for f in candidates if any(w.startswith("pair_style") for w in _text(f).splitlines())]
    if len(holding) > 1:
        raise UserError(
            f"{folder} has pair_style lines in {', '.join(f.name for f in holding)}; give one of these files instead"
        )
    return holding[0] if holding else None


def _only(folder: Path, suffix: str) -> Path:
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise UserError(f"{folder} holds {len(found)} {suffix} files and no pair_coeff line that names one")
    return found[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
