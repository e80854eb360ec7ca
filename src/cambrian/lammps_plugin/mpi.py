"""Which `mpi.h` a LAMMPS was built with: what it says of its MPI, and the folders where such a header may lie.

Open MPI, MPICH and its kin (Intel's, MVAPICH, Cray's), and LAMMPS's stand-in for no MPI at all differ in the types of
their handles, so that a plugin compiled with the header of another one reads memory wrongly. Only the standard library
is imported here: LAMMPS's own start waits for this file.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cambrian.errors import UserError

SERIAL = Path(__file__).parent / "serial"
NO_MPI, OPEN_MPI, MPICH = "no MPI (STUBS)", "Open MPI", "MPICH"


def mpi_folder(given: Path | None, headers: Path, said: str) -> tuple[Path, str]:
    """Folder of `mpi.h` for a LAMMPS with these headers, and in words which MPI that is.

    given: what the user names. said: what LAMMPS says of itself (`lmp -h`, CMakeCache.txt, liblammps.pc).
    Raises UserError where no such header is found, or the one that is named is of another MPI.
    """
    built = built_with(said, headers)
    others = []
    for folder in [given, given / "include"] if given is not None else _places(headers, said, built):
        if not (folder / "mpi.h").is_file():
            continue
        kind = _kind(folder / "mpi.h")
        if not built or kind == built or (not kind and built != NO_MPI):
            return folder, kind if kind == NO_MPI else f"{kind or 'MPI'} of {folder}"
        others.append(f"that of {folder} is {kind or 'another'}'s")
    if given is None or others:
        wanted = f"mpi.h of {built}, which this LAMMPS was built with," if built else "mpi.h"
        where = f" ({'; '.join(others)})" if others else ""
        raise UserError(f"{wanted} was not found{where}; name its folder with --mpi")
    raise UserError(f"mpi.h was not found in {given}; name the folder of that LAMMPS was built with")


def built_with(said: str, headers: Path) -> str:
    """Open MPI, MPICH (with its kin), no MPI, or nothing where LAMMPS does not say."""
    line = re.search(r"^MPI v[\d.]+: *(.*)", said, re.M)
    words = line[1] if line else ""
    static = (headers.parents[1] / name / "libmpi_stubs.a" for name in ("lib", "lib64"))
    if "STUBS" in words or re.search(r"^BUILD_MPI:BOOL=(off|no|false|0)\s*$", said, re.M | re.I):
        return NO_MPI
    if not words and headers.name == "lammps" and any(file.is_file() for file in static):
        return NO_MPI
    if "Open MPI" in words:
        return OPEN_MPI
    return MPICH if re.search("MPICH|Intel|MVAPICH", words, re.I) else ""


def mpi_of_wheel() -> Path:
    """Folder of the header in the `mpich` wheel; raises UserError where it is not installed."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "mpi.h":
            return Path(str(file.locate())).resolve().parent
    folder = Path(sys.prefix) / "include"
    if (folder / "mpi.h").exists():
        return folder
    raise UserError(
        "mpi.h, which LAMMPS's headers need, is not there: pip install 'cambrian[lammps]' brings it (mpich)"
    )


def _kind(header: Path) -> str:
    text = header.read_text(errors="replace")
    if "OPEN_MPI" in text:
        return OPEN_MPI
    if "MPI_STUBS" in text:
        return NO_MPI
    return MPICH if re.search("MPICH|I_MPI_VERSION|MVAPICH", text) else ""


def _places(headers: Path, said: str, built: str) -> Iterator[Path]:
    """Where to look, the nearest first: LAMMPS's stand-in, its build's folders, its prefix, compilers, the wheel."""
    if built == NO_MPI:
        yield from (headers / "STUBS", headers.parents[1] / "src" / "STUBS", SERIAL)
        return
    for names in re.findall(r"^MPI_CXX_(?:HEADER_DIR:PATH|COMPILER_INCLUDE_DIRS:STRING)=(.+)$", said, re.M):
        yield from (Path(name) for name in names.split(";") if Path(name).is_absolute())
    prefix = headers.parents[1]
    if headers.name == "lammps":  # prefix/include/lammps
        yield headers.parent
    wrappers = re.findall(r"^MPI_CXX_COMPILER:FILEPATH=(.+)$", said, re.M)
    for wrapper in (os.environ.get("MPICXX"), *wrappers, str(prefix / "bin" / "mpicxx"), "mpicxx"):
        yield from _of_compiler(wrapper)
    try:
        yield mpi_of_wheel()
    except UserError:
        return


def _of_compiler(wrapper: str | None) -> list[Path]:
    import subprocess

    program = shutil.which(wrapper or "")
    if program is None:
        return []
    try:
        shown = subprocess.run([program, "-show"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [Path(word[2:]) for word in shown.split() if word.startswith("-I")]
