"""Ensembles of molecular dynamics: what is held constant, and which of ASE's integrators holds it.

    NVE   velocity Verlet
    NVT   Langevin, split B A O A B: configurations exact for harmonic forces at any stable step
    NPT   the same with a Langevin piston on the volume (or the whole cell)

B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013); D. Quigley, M. I. J. Probert, ibid. 120, 11432 (2004).
The piston's mass is that of Martyna, Tobias and Klein, W = (3N + 3) k T τ².
"""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from ase import Atoms, units
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet

from cambrian.configurable import Configurable
from cambrian.errors import UserError
from cambrian.units import BAR, GPA


class Ensemble(Configurable, ABC):
    """What is held constant. `temperature_K` is also that of the velocities drawn where a structure has none.

    `memory` names what an integrator carries from step to step beside positions, momenta, cell and random numbers;
    `conserves_momentum` says whether the forces alone move the center of mass.
    """

    rooms = ("sample",)
    temperature_K: float
    memory: tuple[str, ...] = ()
    conserves_momentum: bool = False

    @abstractmethod
    def integrator(self, atoms: Atoms, timestep_fs: float, rng: np.random.Generator) -> MolecularDynamics:
        """ASE's integrator for these atoms; raises UserError where the ensemble does not suit them."""

    @abstractmethod
    def lammps(self, seed: int) -> list[str]:
        """The same ensemble as commands of LAMMPS in `units metal`."""


class NVE(Ensemble):
    """Constant energy; `temperature_K` is that of the velocities drawn at the start."""

    conserves_momentum = True

    def __init__(self, temperature_K: float = 300.0):
        self.temperature_K = sound_temperature(temperature_K)

    def integrator(self, atoms: Atoms, timestep_fs: float, rng: np.random.Generator) -> VelocityVerlet:
        """Velocity Verlet."""
        return VelocityVerlet(atoms, timestep_fs * units.fs)

    def lammps(self, seed: int) -> list[str]:
        """`fix nve`."""
        return ["fix integrate all nve"]

    @classmethod
    def example(cls) -> "NVE":
        """From 300 K."""
        return cls()


class NVT(Ensemble):
    """Constant temperature; velocities forget themselves in `relaxation_fs`, the inverse of the friction."""

    def __init__(self, temperature_K: float = 300.0, *, relaxation_fs: float = 100.0):
        self.temperature_K, self.relaxation_fs = sound_temperature(temperature_K), relaxation_fs

    def integrator(self, atoms: Atoms, timestep_fs: float, rng: np.random.Generator) -> LangevinBAOAB:
        """Langevin dynamics."""
        refuse_constraints(atoms)
        return LangevinBAOAB(
            atoms,
            timestep_fs * units.fs,
            temperature_K=self.temperature_K,
            T_tau=self.relaxation_fs * units.fs,
            hydrostatic=True,  # without an external stress only says that the friction is a number, not a matrix
            rng=rng,
        )

    def lammps(self, seed: int) -> list[str]:
        """`fix nve` with `fix langevin`, whose random forces leave the center of mass alone."""
        return ["fix integrate all nve", _langevin(self.temperature_K, self.relaxation_fs, seed)]

    @classmethod
    def example(cls) -> "NVT":
        """At 300 K."""
        return cls()


class NPT(Ensemble):
    """Constant temperature and pressure; `cell` says whether only the volume or every vector of the cell follows."""

    memory = ("p_eps", "force_eps")

    def __init__(
        self,
        temperature_K: float = 300.0,
        *,
        pressure_GPa: float = 0.0,
        relaxation_fs: float = 100.0,
        pressure_relaxation_fs: float = 1000.0,
        cell: Literal["isotropic", "free"] = "isotropic",
    ):
        self.temperature_K, self.pressure_GPa, self.cell = sound_temperature(temperature_K), pressure_GPa, cell
        self.relaxation_fs, self.pressure_relaxation_fs = relaxation_fs, pressure_relaxation_fs

    def integrator(self, atoms: Atoms, timestep_fs: float, rng: np.random.Generator) -> LangevinBAOAB:
        """Langevin dynamics with a Langevin piston."""
        refuse_constraints(atoms)
        if not atoms.pbc.all():
            raise UserError("constant pressure needs a structure that is periodic in three directions; use nvt or nve")
        tau = self.pressure_relaxation_fs * units.fs
        return LangevinBAOAB(
            atoms,
            timestep_fs * units.fs,
            temperature_K=self.temperature_K,
            externalstress=-self.pressure_GPa * units.GPa,
            hydrostatic=self.cell == "isotropic",
            T_tau=self.relaxation_fs * units.fs,
            P_tau=tau,
            P_mass=(3 * len(atoms) + 3) * units.kB * self.temperature_K * tau**2,
            rng=rng,
        )

    def lammps(self, seed: int) -> list[str]:
        """`fix nph` with `fix langevin`."""
        pressure, relaxation = f"{self.pressure_GPa * GPA / BAR:.17g}", f"{self.pressure_relaxation_fs / 1000:.17g}"
        shape = {"isotropic": "iso", "free": "tri"}[self.cell]
        barostat = f"fix integrate all nph {shape} {pressure} {pressure} {relaxation}"
        return [barostat, _langevin(self.temperature_K, self.relaxation_fs, seed)]

    @classmethod
    def example(cls) -> "NPT":
        """At 300 K and no pressure."""
        return cls()


def _langevin(temperature_K: float, relaxation_fs: float, seed: int) -> str:
    temperature = f"{temperature_K:.17g}"
    return f"fix bath all langevin {temperature} {temperature} {relaxation_fs / 1000:.17g} {seed} zero yes"


def refuse_constraints(atoms: Atoms) -> None:
    """Raise UserError where atoms are held, which Langevin noise would move."""
    if atoms.constraints:
        raise UserError("Langevin dynamics would move atoms that are held; remove the constraints, or run nve")


def sound_temperature(temperature_K: float) -> float:
    """The temperature itself; raises UserError for one that does not exist."""
    if not 0 <= temperature_K < float("inf"):
        raise UserError(f"a temperature of {temperature_K:g} K does not exist; give one of 0 K or more")
    return temperature_K
