"""VASP by its files: a folder of input for each structure, run here or elsewhere, and what came of it.

G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996).
"""

import os
import re
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from ase.io import write
from numpy.typing import NDArray

from cambrian.data.formats.vasp import Vasp as VaspFiles
from cambrian.data.labelling import Tally, structure_of
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.label.by_calculator import bare
from cambrian.label.by_files import FileLabeller, last_words, refuse_missing_program, run_program
from cambrian.label.k_points import k_grid

COMMANDS = ("ASE_VASP_COMMAND", "VASP_COMMAND")  # ASE's own variables
POTENTIALS = "VASP_PP_PATH"
OUTPUTS, PRINTED = ("vasprun.xml", "OUTCAR"), "vasp.out"
FUNCTIONALS: dict[str, dict] = {
    "PBE": {"GGA": "PE"},
    "PBEsol": {"GGA": "PS"},
    "LDA": {"GGA": "CA"},
    "SCAN": {"METAGGA": "SCAN", "LASPH": True},
    "r2SCAN": {"METAGGA": "R2SCAN", "LASPH": True},
}
SAME_PLACE = 1e-3  # Å: vasprun.xml keeps 8 digits of fractional positions


class VASP(FileLabeller):
    """VASP: energy (free energy, TOTEN), forces and stress of cells.

    `potentials` is a folder that holds Si/POTCAR, O/POTCAR and so on (by default that of $VASP_PP_PATH), of which
    `setups` chooses variants, `{Li: Li_sv}`; without it the input has a POTCAR.spec that says which files the POTCAR is
    to be joined of, in which order. `cutoff` and `smearing_width` (Gaussian) in eV; `k_spacing` in 1/Å with its 2π, as
    KSPACING, or `k_points` along each axis. Unpaired electrons and initial magnetic moments turn spin on. `incar` has
    the last word on every tag, `{ALGO: Normal, IVDW: 12}`. `command` runs VASP here (by default $ASE_VASP_COMMAND).
    """

    def __init__(
        self,
        *,
        xc: Literal["PBE", "PBEsol", "LDA", "SCAN", "r2SCAN"] = "PBE",
        cutoff: float = 520.0,
        k_spacing: float = 0.25,
        k_points: tuple[int, int, int] | None = None,
        smearing_width: float = 0.05,
        convergence: float = 1e-6,
        max_cycles: int = 100,
        incar: dict | None = None,
        potentials: str | None = None,
        setups: dict[str, str] | None = None,
        command: str | None = None,
        level: str | None = None,
    ):
        self.xc, self.cutoff, self.smearing_width = xc, cutoff, smearing_width
        self.k_spacing, self.k_points = k_spacing, None if k_points is None else tuple(k_points)
        self.convergence, self.max_cycles = convergence, max_cycles
        self.incar, self.setups = {str(tag).upper(): v for tag, v in (incar or {}).items()}, dict(setups or {})
        self.potentials, self.command, self._level = potentials, command, level

    @property
    def level(self) -> str:
        """As the user named it, or such as `PBE, 520 eV (VASP)`."""
        return self._level or f"{self.xc}, {self.cutoff:g} eV (VASP)"

    def ready(self) -> None:
        """Raise UserError where VASP or its potentials are not on this machine."""
        elsewhere = "or write its input with --write DIR, run it where it is, and give the command with --collect DIR"
        refuse_missing_program(self._command(), f"name VASP with command='mpirun vasp_std', {elsewhere}")
        if self._potentials() is None:
            raise UserError(f"name the folder of VASP's potentials: potentials=FOLDER, or ${POTENTIALS}; {elsewhere}")

    def prepare(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> None:
        """Write POSCAR, INCAR, KPOINTS, and POTCAR (or POTCAR.spec); raises UserError where something is missing."""
        if atoms.cell.rank != 3:
            raise UserError("VASP needs a cell; give the molecule one, with 8 Å of vacuum around it")
        ordered = bare(atoms)[by_element(atoms)]
        symbols = list(dict.fromkeys(ordered.symbols))
        potcar = self._potcar(symbols, folder)
        write(folder / "POSCAR", ordered, format="vasp", direct=True)
        tags = self._tags(ordered, total_charge, spin, potcar)
        write_text(folder / "INCAR", "".join(f"{tag} = {_spelled(value)}\n" for tag, value in tags.items()))
        grid = self.k_points or k_grid(atoms, self.k_spacing)
        write_text(folder / "KPOINTS", f"k-points\n0\nGamma\n{' '.join(map(str, grid))}\n0 0 0\n")

    def execute(self, folder: Path) -> None:
        """Run VASP."""
        run_program(self._command(), folder, output=PRINTED)

    def collect(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels from vasprun.xml, or OUTCAR; raises UserError where it is unfinished or did not converge."""
        path = next((folder / name for name in OUTPUTS if (folder / name).is_file()), None)
        if path is None:
            raise UserError(f"{folder} is unfinished: there is no vasprun.xml; {last_words(folder / PRINTED)}")
        files = VaspFiles()
        try:
            *_, frame = files.frames(path)
        except (UserError, ValueError) as error:
            raise UserError(f"{path} is unfinished or damaged ({error}): run VASP there again") from None
        if frame.fault is not None:
            raise UserError(f"{path}: {frame.fault}; raise max_cycles, or change ALGO or the mixing in incar")
        done = structure_of(
            frame, chosen=(), units=UnitSystem.parse(files.units_of(path)), source=str(path), tally=Tally()
        )
        order = by_element(atoms)
        _refuse_another(atoms[order], done.atoms, path)
        assert done.forces is not None
        forces = np.empty_like(done.forces)
        forces[order] = done.forces
        return Structure(
            atoms,
            energy=done.energy,
            forces=forces,
            stress=done.stress if atoms.pbc.all() else None,
            total_charge=total_charge,
            spin=spin,
            level=self.level,
        )

    def _tags(self, atoms: Atoms, total_charge: float, spin: float, potcar: str | None) -> dict:
        tags = {"SYSTEM": "structure", "PREC": "Accurate", **FUNCTIONALS[self.xc], "ENCUT": self.cutoff}
        tags |= {"EDIFF": self.convergence, "NELM": self.max_cycles, "ISMEAR": 0, "SIGMA": self.smearing_width}
        tags |= {"IBRION": -1, "NSW": 0, "ISIF": 2, "LREAL": False, "LWAVE": False, "LCHARG": False}
        moments = atoms.get_initial_magnetic_moments()
        if spin or moments.any():
            tags |= {"ISPIN": 2}
            tags |= {"MAGMOM": moments.tolist()} if moments.any() else {}
            tags |= {"NUPDOWN": spin} if spin else {}
        if total_charge:
            if potcar is None:
                raise UserError("the number of electrons of a charged cell stands in POTCAR: name potentials=FOLDER")
            valence = [float(z) for z in re.findall(r"ZVAL\s*=\s*([\d.]+)", potcar)]
            counts = [atoms.symbols.count(symbol) for symbol in dict.fromkeys(atoms.symbols)]
            tags |= {"NELECT": float(np.dot(valence, counts) - total_charge)}
        return tags | self.incar

    def _potcar(self, symbols: list[str], folder: Path) -> str | None:
        """Join the POTCAR, or say of which files it is to be joined."""
        names, home = [self.setups.get(symbol, symbol) for symbol in symbols], self._potentials()
        if home is None:
            write_text(folder / "POTCAR.spec", "".join(f"{name}\n" for name in names))
            return None
        for name in names:
            if not (home / name / "POTCAR").is_file():
                raise UserError(f"there is no {home / name / 'POTCAR'}; choose a variant with setups.{name}=...")
        potcar = "".join((home / name / "POTCAR").read_text(encoding="utf-8") for name in names)
        write_text(folder / "POTCAR", potcar)
        return potcar

    def _potentials(self) -> Path | None:
        place = self.potentials or os.environ.get(POTENTIALS)
        if place is not None and not Path(place).is_dir():
            raise UserError(f"there is no folder of VASP's potentials {place}")
        return None if place is None else Path(place)

    def _command(self) -> str:
        return self.command or next((os.environ[name] for name in COMMANDS if name in os.environ), "vasp_std")

    @classmethod
    def example(cls) -> "VASP":
        """PBE with everything as it is by default."""
        return cls()


def by_element(atoms: Atoms) -> NDArray:
    """The order of POSCAR: elements together, as they first appear, atoms of one element as they were."""
    first = {symbol: k for k, symbol in reversed(list(enumerate(atoms.symbols)))}
    return np.argsort([first[symbol] for symbol in atoms.symbols], kind="stable")


def _spelled(value) -> str:
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    return " ".join(map(_spelled, value)) if isinstance(value, (list, tuple)) else str(value)


def _refuse_another(given: Atoms, found: Atoms, path: Path) -> None:
    """Raise UserError where an output is of another structure than the one that was asked for."""
    alike = len(given) == len(found) and (given.numbers == found.numbers).all()
    if alike and np.allclose(given.cell.array, found.cell.array, atol=SAME_PLACE):
        moved = np.linalg.solve(given.cell.array.T, (found.positions - given.positions).T)
        alike = np.abs((moved - moved.round()).T @ given.cell.array).max() < SAME_PLACE
    else:
        alike = False
    if not alike:
        raise UserError(f"{path} is of another structure; run VASP with the input of its folder")
