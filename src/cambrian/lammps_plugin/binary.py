"""What the compiled LAMMPS shows of itself: its words after `-h`, and how its strings lie in memory.

GCC knows two forms of std::string. Compilers of older systems (Red Hat 7, and wheels that were made for it) write the
first one; a plugin with the other one does not find LAMMPS's functions. Their names in the binary tell which it is.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

OLD_STRINGS = b"LAMMPS_NS5Error3allERKSs"  # Error::all(std::string const &, ...) as the old form mangles it
NEW_STRINGS = b"LAMMPS_NS5Error3allERKNSt7__cxx11"


def programs(place: Path) -> Iterator[Path]:
    """Executables of LAMMPS in an installation, a build folder or a source tree."""
    for pattern in ("lmp", "lmp_*", "bin/lmp*", "build*/lmp*", "src/lmp_*"):
        for program in sorted(place.glob(pattern)):
            if program.is_file() and os.access(program, os.X_OK):
                yield program


def help_of(program: Path) -> str:
    """The text after `-h`; nothing where it does not run here."""
    import subprocess

    try:
        said = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError):
        return ""  # of another machine, or libraries of it are not loaded
    return said if "Massively Parallel Simulator" in said else ""


def has_old_strings(place: Path, program: Path | None = None) -> bool:
    """Whether LAMMPS was compiled with the first form of std::string."""
    libraries = ("liblammps*", "lib*/liblammps*", "lib/*/liblammps*", "build*/liblammps*", "src/liblammps*")
    files = (file for pattern in libraries for file in sorted(place.glob(pattern)))
    for file in (*files, *([program] if program else programs(place))):
        if file.is_file() and file.stat().st_size:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(NEW_STRINGS) >= 0:
                    return False
                if content.find(OLD_STRINGS) >= 0:
                    return True
    return False
