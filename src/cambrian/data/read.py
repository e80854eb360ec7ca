"""Reading and writing structure files: the one place where keys, units and signs turn into those of the package."""

import glob
import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cambrian.data.dataset import Dataset
from cambrian.data.formats import format_of
from cambrian.data.frame import Format
from cambrian.data.labelling import Tally, structure_of
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.errors import UserError

log = logging.getLogger("cambrian")
WRITTEN = "extxyz"


def read(
    *paths: str | Path,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
    charges_key: str | None = None,
    group_key: str | None = None,
    units: str | None = None,
    format: str | None = None,
    level: str | None = None,
    mix_levels: bool = False,
    labelled: bool = True,
    skip_bad: bool = False,
) -> Dataset:
    """Read structures with their labels from files, folders or patterns such as `runs/*/OUTCAR`, in that order.

    Args:
        paths: files of any known format (see `cambrian list formats`); several are joined.
        energy_key: where the energy stands, when not under a usual name; so for the other keys.
        forces_key: per-atom key of the forces.
        stress_key: key of the stress, ASE's sign (positive = tensile), 6 or 9 numbers.
        virial_key: key of the virial, -V times the stress.
        charges_key: per-atom key of the atomic charges.
        group_key: key of the group, when not config_type or group.
        units: those of the files, such as `Hartree, bohr` or `eV, Å, -kbar`; the format's own by default.
        format: name of the format, when the file's name does not tell.
        level: level of theory wanted: structures that state another are left out, those that state none have it.
        mix_levels: keep structures of several levels of theory in one dataset.
        labelled: refuse files in which no structure has an energy.
        skip_bad: leave out frames that cannot be used, and say so, instead of refusing the file.

    Returns:
        The dataset; what was chosen or left out stands in its `notes` and is logged.

    Raises:
        UserError: naming file, frame and the mend, for files that are missing, empty or broken, labels that are NaN,
            absurd or of wrong shape, impossible geometries, no energies at all and mixed levels of theory.
    """
    chosen = {"energy": energy_key, "forces": forces_key, "stress": stress_key, "virial": virial_key}
    chosen |= {"charges": charges_key, "group": group_key}
    keys = tuple((label, key) for label, key in chosen.items() if key is not None)
    system = UnitSystem.parse(units) if units is not None else None
    structures, notes = [], []
    for path in _files(paths):
        found, said = _read_file(path, format_of(path, format), keys, system, skip_bad=skip_bad, labelled=labelled)
        structures += found
        notes += said
    structures, said = _one_level(structures, level, mix_levels=mix_levels)
    notes += said
    if labelled and not any(s.has_energy for s in structures):
        raise UserError(f"no structure in {', '.join(map(str, paths))} has an energy")
    for note in notes:
        log.warning(note)
    return Dataset(structures, notes=notes)


def write(path: str | Path, data: Iterable[Structure], *, format: str | None = None, units: str | None = None) -> None:
    """Write structures with their labels, by default as extended XYZ; every number reads back the same.

    The file is written under a temporary name and moved into place. Raises UserError where it cannot be written.
    """
    path = Path(path)
    kind = format_of(path, format or (WRITTEN if path.suffix in ("", ".xyz", ".extxyz") else None))
    kind.save(path, list(data), UnitSystem.parse(units or kind.units))


def _files(paths: Iterable[str | Path]) -> list[Path]:
    if not paths:
        raise UserError("no file was named; give at least one")
    found = []
    for path in map(str, paths):
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            what = "matches this pattern" if glob.has_magic(path) else "is there"
            raise UserError(f"{path}: no file {what} (looked from {os.getcwd()})")
        found += [Path(m) for m in matches]
    return found


def _read_file(path: Path, kind: Format, keys, system, *, skip_bad: bool, labelled: bool) -> tuple[list, list[str]]:
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")
    structures, skipped, tally, seen, stopped = [], [], Tally(), {}, []
    try:
        system = system or UnitSystem.parse(kind.units_of(path))
        for frame in kind.frames(path):
            seen |= dict.fromkeys([*frame.info, *frame.arrays])
            source = frame.source or str(path)
            try:
                if frame.fault is None:
                    structures.append(structure_of(frame, chosen=keys, units=system, source=source, tally=tally))
                else:
                    skipped.append(f"frame {frame.index}: {frame.fault}")
            except UserError as error:
                if not skip_bad:
                    raise error.at(f"frame {frame.index}") from None
                skipped.append(f"frame {frame.index}: {error}")
    except UserError as error:
        if not (skip_bad and structures):
            raise error.at(str(path)) from None
        stopped.append(f"read {len(structures) + len(skipped)} frames and no further: {error}")
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if not structures and not skipped:
        raise UserError(f"{path}: the file holds no structure")
    _refuse_missing_keys(path, keys, seen)
    if labelled and structures and not any(s.has_energy for s in structures):
        near = [k for k in seen if "energ" in k.lower() or k.lower() in ("e", "u", "u0")]
        hint = f"; is it one of {', '.join(near)}? then choose it with energy_key" if near else ""
        if not near:
            hint = f"; its keys are {', '.join(seen) or 'none'}: choose with energy_key, or label the structures first"
        raise UserError(f"{path}: no structure has an energy under a usual name{hint}")
    return structures, [f"{path}: {note}" for note in _notes(tally, skipped, len(structures)) + stopped]


def _refuse_missing_keys(path: Path, keys, seen: dict) -> None:
    for label, key in keys:
        if key not in seen:
            raise UserError(
                f"{path}: no frame has the key '{key}' for {label}; its keys are {', '.join(seen) or 'none'}"
            )


def _notes(tally: Tally, skipped: list[str], n_kept: int) -> list[str]:
    notes = []
    taken = {what[4:]: n for what, n in tally.counts.items() if what.startswith("key:")}
    if len(taken) > 1:
        said = ", ".join(f"{'none' if key == 'None' else key!r} in {n}" for key, n in taken.items())
        notes.append(f"the energy stands under different keys in different frames: {said}")
    for what, n in tally.counts.items():
        first = tally.first[what]
        if what.startswith("energies:"):
            _, key, other = what.split(":")
            notes.append(
                f"two different energies in {n} frames (first: frame {first}): took '{key}', passed over '{other}'; "
                f"choose with energy_key"
            )
        elif what == "stress without cell":
            notes.append(
                f"left out the stress of {n} frames (first: frame {first}) that are not periodic in three directions"
            )
        elif what == "asymmetric stress":
            notes.append(f"the stress of {n} frames (first: frame {first}) is not symmetric; took the symmetric part")
    if skipped:
        notes.append(
            f"left out {len(skipped)} of {n_kept + len(skipped)} frames that cannot be used: " + "; ".join(skipped[:5])
        )
    return notes


def _one_level(
    structures: list[Structure], level: str | None, *, mix_levels: bool
) -> tuple[list[Structure], list[str]]:
    stated = sorted({s.level for s in structures if s.level})
    if level is not None:
        kept = [replace(s, level=level) for s in structures if s.level in ("", level)]
        if not kept:
            raise UserError(f"no structure is of the level of theory '{level}'; the files state {', '.join(stated)}")
        n_left = len(structures) - len(kept)
        return kept, [f"left out {n_left} structures of another level of theory than '{level}'"] if n_left else []
    if len(stated) > 1 and not mix_levels:
        counts = ", ".join(f"{name} ({sum(s.level == name for s in structures)})" for name in stated)
        raise UserError(
            f"the structures are of several levels of theory: {counts}; their energies do not go together. "
            f"Choose one with level, or take them all with mix_levels"
        )
    return structures, []
