"""Potentials of PACEMAKER, FitSNAP and `deploy --to yace`: a .yace file, or a folder with lines of LAMMPS."""

from pathlib import Path

from cambrian.contracts.potential import Potential
from cambrian.deploy.lammps_import import import_lammps, input_of
from cambrian.deploy.yace_read import read_yace
from cambrian.errors import UserError


def import_yace(place: str | Path) -> Potential:
    """The potential of a .yace file; of a folder, with the repulsion that its pair_style lines put beside it.

    Raises UserError, with the file, for what is broken, incomplete or not known here.
    """
    place = Path(place)
    if not place.is_dir():
        if not place.is_file():
            raise UserError(f"there is no file {place} to import")
        return read_yace(place)
    if input_of(place) is not None:
        return import_lammps(place)
    found = sorted(place.glob("*.yace"))
    if len(found) != 1:
        raise UserError(f"{place} holds {len(found)} .yace files; name the one to import")
    return read_yace(found[0])
