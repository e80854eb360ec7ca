"""Everything that ASE reads: databases, trajectories and the outputs of electronic-structure programs."""

from collections.abc import Iterator
from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from cambrian.data.frame import Format, Frame
from cambrian.data.from_ase import frames_by_ase

RUNS_CODE = {"bundletrajectory"}  # formats whose loading may run code from the file


class AseFiles(Format):
    """Any file that ASE recognizes."""

    name = "ase"
    priority = 0

    def suits(self, path: Path) -> bool:
        """Whether ASE recognizes the file."""
        try:
            return path.is_file() and filetype(str(path)) in ioformats.keys() - RUNS_CODE
        except (UnknownFileTypeError, OSError, ValueError):
            return False

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order, with the results that were stored."""
        return frames_by_ase(path)
