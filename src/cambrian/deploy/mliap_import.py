"""Linear and quadratic models of `pair_style mliap`: the two files, or a folder with the lines of LAMMPS."""

from pathlib import Path

from cambrian.contracts.potential import Potential
from cambrian.deploy.lammps_import import import_lammps, input_of, only
from cambrian.deploy.mliap_read import read_mliap
from cambrian.deploy.snap_read import snap_potential


def import_mliap(place: str | Path) -> Potential:
    """A potential from a folder with a .mliap.model and a .mliap.descriptor file, or from the file of its pair lines.

    Raises UserError for what cannot be read, and for networks.
    """
    place = Path(place)
    if not place.is_dir() or input_of(place) is not None:
        return import_lammps(place)
    return snap_potential(read_mliap(None, only(place, ".mliap.model"), only(place, ".mliap.descriptor"), None))
