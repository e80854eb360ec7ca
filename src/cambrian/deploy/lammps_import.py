"""SNAP, qSNAP and ACE potentials of LAMMPS: their files and the pair_style / pair_coeff lines that go with them.

    pair_style hybrid/overlay zero 10.0 zbl 4.0 4.8 snap
    pair_coeff * * zero
    pair_coeff * * zbl 73 73
    pair_coeff * * snap Ta.snapcoeff Ta.snapparam Ta

Styles read are snap, mliap (linear and quadratic, descriptor sna), pace, zbl and zero. The result is an ordinary
potential, ready to use.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

from ase import Atoms
from ase.data import covalent_radii

from cambrian.contracts.catalogue import build
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.deploy.mliap_read import read_mliap
from cambrian.deploy.pair_lines import PairLine, pair_lines, types_of
from cambrian.deploy.snap_read import read_snap, snap_potential, text_of
from cambrian.deploy.yace_read import read_yace
from cambrian.elements import number, symbol, symbols
from cambrian.errors import UserError

SHORTEST = {"snap": 3, "mliap": 1, "pace": 2}  # words after the types and the style
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
    Raises UserError for what cannot be read or is more than one model with ZBL.
    """
    place = Path(place)
    if not place.exists():
        raise UserError(f"there is no {place} to import from")
    found = input_of(place) if place.is_dir() else place
    if found is None:
        files = [only(place, suffix) for suffix in (".snapcoeff", ".snapparam")]
        return snap_potential(read_snap(files[0], files[1], None))
    lines = pair_lines(text_of(found), str(found))
    models = [line for line in lines if line.style in SHORTEST]
    if len(models) != 1 or len(models[0].words) < SHORTEST[models[0].style]:
        raise UserError(
            f"{found}: one line `pair_coeff * * FILE.snapcoeff FILE.snapparam Element ...` is needed, or one of mliap "
            "or pace"
        )
    elements = models[0].words[SHORTEST[models[0].style] - 1 :]
    potential = _model(models[0], found.parent, str(found))
    return _with_repulsion(potential, _repulsions(lines, elements, str(found)))


def _model(line: PairLine, folder: Path, where: str) -> Potential:
    """The potential that a pair_coeff line stands for, with the elements it names."""
    if line.style == "mliap":
        a, elements = line.arguments, line.words
        if len(a) != 6 or (a[0], a[3], a[4]) != ("model", "descriptor", "sna"):
            raise UserError(f"{where}: mliap is imported as `model linear|quadratic FILE descriptor sna FILE`")
        return snap_potential(read_mliap(a[1], folder / a[2], folder / a[5], _typed(line, elements, where)))
    if line.style == "pace":
        potential = read_yace(folder / line.words[0])
        known, elements = symbols(potential.elements), _typed(line, line.words[1:], where)
        if set(known) != set(elements):
            raise UserError(
                f"{where}: {line.words[0]} holds {', '.join(known)}; all of them must stand in '{line.text}'"
            )
        return potential
    files, elements = line.words[:2], _typed(line, line.words[2:], where)
    return snap_potential(read_snap(folder / files[0], folder / files[1], elements))


def _typed(line: PairLine, elements: list[str], where: str) -> list[str]:
    if line.types != ("*", "*") or "NULL" in elements:
        raise UserError(f"{where}: {line.style} must stand for all types (`pair_coeff * *`, no NULL) to be imported")
    return elements


def _with_repulsion(potential: Potential, repulsions: list[_Repulsion]) -> Potential:
    if not repulsions:
        return potential
    total = build({"Sum": {"parts": []}})
    total = total + potential + _repulsive(repulsions, potential.elements.tolist())
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


def input_of(folder: Path) -> Path | None:
    """The file of a folder that holds pair lines."""
    candidates = [
        f
        for f in sorted(folder.iterdir())
        if f.is_file()
        and f.suffix not in (".snapcoeff", ".snapparam", ".yace")
        and not f.name.startswith("log.")
        and f.stat().st_size < LARGEST_INPUT
    ]
    holding = [f for f in candidates if any(w.startswith("pair_style") for w in text_of(f).splitlines())]
    if len(holding) > 1:
        raise UserError(
            f"{folder} has pair_style lines in {', '.join(f.name for f in holding)}; give one of these files instead"
        )
    return holding[0] if holding else None


def only(folder: Path, suffix: str) -> Path:
    """The one file of a folder that ends so; raises UserError where there are none or several."""
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise UserError(f"{folder} holds {len(found)} {suffix} files and no pair_coeff line that names one")
    return found[0]
