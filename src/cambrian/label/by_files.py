"""Programs that read input files and leave output files: run here, or their folders written now and collected later."""

import json
import shlex
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import cast

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from cambrian.contracts.labeller import Labeller
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.graph.neighbors import refuse_bad_geometry
from cambrian.label.cache import key_of, with_labels
from cambrian.label.run import Failure, Labelled, as_structures

MARK = "cambrian.json"  # says for which structure and settings a folder was written


class FileLabeller(Labeller):
    """A program that works in a folder: `prepare` writes its input, `collect` reads its output."""

    incidental = ("command",)  # how many cores the program runs on is no part of the level of theory

    @abstractmethod
    def prepare(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> None:
        """Write the input of one structure; raises UserError where something for it is missing."""

    @abstractmethod
    def execute(self, folder: Path) -> None:
        """Run the program on the input that stands in the folder; raises UserError where it cannot run."""

    @abstractmethod
    def collect(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels from the output in the folder; raises UserError where the calculation is unfinished or failed."""

    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one structure, computed in a temporary folder; raises UserError where the calculation fails."""
        refuse_bad_geometry(atoms)
        with tempfile.TemporaryDirectory(prefix="label-") as name:
            folder = Path(name)
            self.prepare(atoms, folder, total_charge=total_charge, spin=spin)
            self.execute(folder)
            return self.collect(atoms, folder, total_charge=total_charge, spin=spin)

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """The program as an ASE calculator: every geometry is a run of its own."""
        return _Runs(self, total_charge, spin)


class _Runs(Calculator):
    """A file labeller behind ASE's interface."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, labeller: FileLabeller, total_charge: float, spin: float):
        super().__init__()
        self.labeller, self.total_charge, self.spin = labeller, total_charge, spin

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Everything at once."""
        super().calculate(atoms, properties, system_changes)
        s = self.labeller.label(cast(Atoms, self.atoms), total_charge=self.total_charge, spin=self.spin)
        self.results = {"energy": s.energy, "free_energy": s.energy, "forces": s.forces}
        if s.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(s.stress)


@dataclass(frozen=True)
class Written:
    """Folders with inputs: how many are new, how many stood there already, and structures that have none."""

    n_new: int
    n_present: int
    failures: tuple[Failure, ...]


def write_folders(structures: Iterable[Structure | Atoms], labeller: FileLabeller, home: str | Path) -> Written:
    """One folder of input for each structure, `home/00000` and on; those that stand there already are left alone.

    Raises UserError where a folder was written for another structure or with other settings.
    """
    n_new, n_present, failures = 0, 0, []
    for k, s in enumerate(as_structures(structures)):
        folder = _folder(Path(home), k)
        if _is_of(folder, s, labeller):
            n_present += 1
            continue
        try:
            refuse_bad_geometry(s.atoms)
            folder.mkdir(parents=True, exist_ok=True)
            labeller.prepare(s.atoms, folder, total_charge=s.total_charge, spin=s.spin)
        except UserError as error:
            failures.append(Failure(k, s.where, str(error)))
            continue
        write_text(folder / MARK, json.dumps({"key": key_of(s, labeller), "level": labeller.level, "of": s.where}))
        n_new += 1
    return Written(n_new, n_present, tuple(failures))


def collect_folders(structures: Iterable[Structure | Atoms], labeller: FileLabeller, home: str | Path) -> Labelled:
    """Labels of the folders that `write_folders` wrote for these structures, once the program ran in them.

    What is unfinished, did not converge or failed stands among the failures. Raises UserError where a folder was
    written for another structure or with other settings.
    """
    found, failures = [], []
    for k, s in enumerate(as_structures(structures)):
        folder = _folder(Path(home), k)
        try:
            if not _is_of(folder, s, labeller):
                raise UserError(f"{folder} was not written yet: give the same command with --write {home}")
            labels = labeller.collect(s.atoms, folder, total_charge=s.total_charge, spin=s.spin)
            found.append(with_labels(s, labels))
        except UnlikeFolderError:
            raise
        except UserError as error:
            failures.append(Failure(k, s.where, str(error)))
    return Labelled(Dataset(found), tuple(failures), len(found), 0)


class UnlikeFolderError(UserError):
    """A folder that belongs to another structure or to other settings."""


def _folder(home: Path, index: int) -> Path:
    return home / f"{index:05d}"


def _is_of(folder: Path, s: Structure, labeller: Labeller) -> bool:
    """Whether a folder holds the input of this structure with these settings; False where it holds none."""
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if mark.get("key") != key_of(s, labeller):
        raise UnlikeFolderError(
            f"{folder} was written for {mark.get('of')} at {mark.get('level')}, and structure or settings are others "
            f"now; give the settings of then, or another folder"
        )
    return True


def refuse_missing_program(command: str, mend: str) -> None:
    """Raise UserError where the first word of a command is no program on this machine."""
    words = shlex.split(command)
    if not words or which(words[0]) is None:
        raise UserError(f"there is no program '{command}' on the PATH; {mend}")


def run_program(command: str, folder: Path, *, output: str, arguments: tuple[str, ...] = ()) -> None:
    """Run a program in a folder, what it prints going to a file there; raises UserError where it cannot start."""
    with open(folder / output, "w", encoding="utf-8") as printed:
        try:
            subprocess.run(
                [*shlex.split(command), *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise UserError(f"'{command}' cannot be started: {error}") from error


def last_words(path: Path, n_lines: int = 4) -> str:
    """The end of what a program printed, in one line, for messages."""
    if not path.is_file():
        return "it printed nothing"
    lines = [line.strip(" %") for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return " / ".join([line for line in lines if line][-n_lines:]) or "it printed nothing"
