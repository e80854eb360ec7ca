"""Plane-wave density functional theory by Quantum ESPRESSO's pw.x, with pseudopotentials of the user's own.

P. Giannozzi et al., J. Phys.: Condens. Matter 29, 465901 (2017).
"""

import os
from pathlib import Path
from typing import Any, Literal

from ase import Atoms
from ase.io import read, write
from ase.units import create_units

from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.label.by_calculator import bare
from cambrian.label.by_files import FileLabeller, last_words, refuse_missing_program, run_program
from cambrian.label.k_points import k_grid
from cambrian.units import RYDBERG

INPUT, OUTPUT = "espresso.pwi", "espresso.pwo"
SUFFIXES = (".upf", ".van", ".rrkj3", ".bhs", ".vdb")
NEWER_UNITS = RYDBERG / create_units("2006")["Ry"]  # ASE reads pw.x in units of 2006: 2e-5 eV for two atoms of Si
POTENTIALS = "ESPRESSO_PSEUDO"  # Quantum ESPRESSO's own variable


class Espresso(FileLabeller):
    """Quantum ESPRESSO: energy, forces and stress of cells; a molecule needs a cell with vacuum around it.

    `pseudo_dir` is the folder of pseudopotential files (by default that of $ESPRESSO_PSEUDO), from which the file of an
    element is taken by its name, `Si.pbe.UPF`; `pseudopotentials` chooses where several are there, `{Si: FILE}`. The
    functional is that of the files unless `xc` says otherwise. `cutoff` and `density_cutoff` (4 times the cutoff where
    none is given; ultrasoft files want 8 to 12) in eV; `k_spacing` in 1/Å with its 2π, or `k_points` along each axis;
    `smearing_width` in eV. Unpaired electrons and initial magnetic moments turn spin on. `settings` reaches all else,
    `{system: {vdw_corr: d3}}`. `command` may begin with `mpirun -n 4`. `level` is what is stored with the labels.
    """

    def __init__(
        self,
        *,
        pseudo_dir: str | None = None,
        pseudopotentials: dict[str, str] | None = None,
        cutoff: float = 680.0,
        density_cutoff: float | None = None,
        k_spacing: float = 0.25,
        k_points: tuple[int, int, int] | None = None,
        smearing: Literal["none", "gaussian", "methfessel-paxton", "marzari-vanderbilt", "fermi-dirac"] = "gaussian",
        smearing_width: float = 0.1,
        convergence: float = 1e-8,
        max_cycles: int = 100,
        xc: str | None = None,
        settings: dict | None = None,
        command: str = "pw.x",
        level: str | None = None,
    ):
        self.pseudo_dir, self.pseudopotentials = pseudo_dir, dict(pseudopotentials or {})
        self.cutoff, self.density_cutoff, self.xc = cutoff, density_cutoff, xc
        self.k_spacing, self.k_points = k_spacing, None if k_points is None else tuple(k_points)
        self.smearing, self.smearing_width = smearing, smearing_width
        self.convergence, self.max_cycles = convergence, max_cycles
        self.settings, self.command, self._level = dict(settings or {}), command, level

    @property
    def level(self) -> str:
        """As the user named it, or such as `PBE, SSSP_1.3, 680 eV (Quantum ESPRESSO)`."""
        named = Path(self.pseudo_dir or "").name or "own pseudopotentials"
        return self._level or f"{self.xc or 'DFT'}, {named}, {self.cutoff:g} eV (Quantum ESPRESSO)"

    def ready(self) -> None:
        """Raise UserError where pw.x, the folder of pseudopotentials or a file named by the user is missing."""
        refuse_missing_program(self.command, "install Quantum ESPRESSO, or name it with command=/path/to/pw.x")
        home = self._home()
        for element, name in self.pseudopotentials.items():
            if not (home / name).is_file():
                raise UserError(f"there is no pseudopotential {home / name} for {element}")

    def prepare(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> None:
        """Write espresso.pwi; raises UserError for an element without pseudopotential, and without a cell."""
        if atoms.cell.rank != 3:
            raise UserError("Quantum ESPRESSO needs a cell; give the molecule one, with 8 Å of vacuum around it")
        write(folder / INPUT, bare(atoms), format="espresso-in", **self._input(atoms, total_charge, spin))

    def execute(self, folder: Path) -> None:
        """Run pw.x."""
        run_program(self.command, folder, output=OUTPUT, arguments=("-in", INPUT))

    def collect(self, atoms: Atoms, folder: Path, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels from espresso.pwo; raises UserError where it is unfinished or self-consistency failed."""
        path = folder / OUTPUT
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if "convergence NOT achieved" in text:
            raise UserError(
                f"self-consistency did not converge in {self.max_cycles} cycles; raise max_cycles, take more "
                f"smearing, or lower the mixing (settings={{electrons: {{mixing_beta: 0.3}}}})"
            )
        if "JOB DONE" not in text:
            raise UserError(f"pw.x did not finish in {folder.name}: {last_words(path)}")
        done = read(path, format="espresso-out", index=-1)
        assert isinstance(done, Atoms)
        return Structure(
            bare(atoms),
            energy=float(done.get_potential_energy(force_consistent=True)) * NEWER_UNITS,
            forces=done.get_forces(apply_constraint=False) * NEWER_UNITS,
            stress=done.get_stress(voigt=False, apply_constraint=False) * NEWER_UNITS if atoms.pbc.all() else None,
            total_charge=total_charge,
            spin=spin,
            level=self.level,
        )

    def _input(self, atoms: Atoms, total_charge: float, spin: float) -> dict[str, Any]:
        """Arguments of ASE's writer."""
        home = self._home()
        control = {"calculation": "scf", "tprnfor": True, "tstress": True, "pseudo_dir": str(home), "outdir": "."}
        control |= {"disk_io": "nowf"}
        system: dict[str, Any] = {"ecutwfc": self.cutoff / RYDBERG, "tot_charge": total_charge}
        if self.density_cutoff is not None:
            system["ecutrho"] = self.density_cutoff / RYDBERG
        if self.xc is not None:
            system["input_dft"] = self.xc
        if self.smearing != "none":
            system |= {"occupations": "smearing", "smearing": self.smearing, "degauss": self.smearing_width / RYDBERG}
        if spin:
            system |= {"nspin": 2, "tot_magnetization": spin}
        electrons = {"conv_thr": self.convergence / RYDBERG, "electron_maxstep": self.max_cycles}
        sections: dict[str, dict] = {"control": control, "system": system, "electrons": electrons}
        for section, values in self.settings.items():
            if not isinstance(values, dict):
                raise UserError(f"settings are by section, {{system: {{name: value}}}}, not {section}: {values!r}")
            sections[section.lower()] = sections.get(section.lower(), {}) | values
        grid = self.k_points or k_grid(atoms, self.k_spacing)
        return {
            "input_data": sections,
            "pseudopotentials": {e: self._file(e, home) for e in sorted(set(atoms.symbols))},
            "kpts": None if grid == (1, 1, 1) else grid,
            "rescale_magmom_fac": float(max(1.0, *abs(atoms.get_initial_magnetic_moments()))),  # -1 to 1 before 7.3
        }

    def _home(self) -> Path:
        place = self.pseudo_dir or os.environ.get(POTENTIALS)
        if place is None:
            raise UserError(f"name the folder of pseudopotentials: pseudo_dir=FOLDER, or the variable {POTENTIALS}")
        if not Path(place).is_dir():
            raise UserError(f"there is no folder of pseudopotentials {place}")
        return Path(place).resolve()

    def _file(self, element: str, home: Path) -> str:
        """The name of an element's file; raises UserError where there is none, or where several could be meant."""
        if element in self.pseudopotentials:
            return self.pseudopotentials[element]
        files = sorted(p.name for p in home.iterdir() if p.suffix.lower() in SUFFIXES)
        found = [name for name in files if _element_of(name) == element]
        if not found:
            raise UserError(f"{home} holds no pseudopotential of {element}: put {element}.*.UPF there")
        if len(found) > 1:
            raise UserError(
                f"{home} holds several pseudopotentials of {element} ({', '.join(found[:6])}): choose one with "
                f"pseudopotentials.{element}={found[0]}"
            )
        return found[0]

    @classmethod
    def example(cls) -> "Espresso":
        """Pseudopotentials of the folder named by the environment."""
        return cls()


def _element_of(name: str) -> str:
    """`Si.pbe-rrkj.UPF`, `si_pbe_v1.uspp.F.UPF`, `Si_ONCV.upf` -> `Si`."""
    head = name.replace("-", ".").replace("_", ".").split(".")[0]
    return head.capitalize()
