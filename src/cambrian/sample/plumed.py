"""Dynamics biased by PLUMED: whatever an input of PLUMED says (metadynamics, umbrellas, OPES ...), through ASE.

G. A. Tribello et al., Comput. Phys. Commun. 185, 604 (2014).
"""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ase import Atoms, units

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.errors import MissingExtraError, UserError
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT
from cambrian.sample.starting import calculator_of, drawn_from, seed_of, starting
from cambrian.units import BOLTZMANN

KERNEL = (
    "the package 'plumed' is there, but no PLUMED library was found: install PLUMED (conda-forge, or from source) and "
    "set PLUMED_KERNEL to its libplumedKernel.so"
)


class Plumed(Sampler):
    """`n` structures from each start along dynamics at `temperature_K`, biased by the lines of a PLUMED input.

    `input` is a file, or a list of lines, in PLUMED's own units (nm, kJ/mol, ps; atoms from 1) unless it says UNITS;
    relative FILE names are written where the command runs. An interrupted run begins anew: PLUMED's memory is its own.
    """

    def __init__(
        self,
        input: list[str] | Path,
        *,
        temperature_K: float = 300.0,
        n: int = 200,
        interval_fs: float = 100.0,
        timestep_fs: float = 0.5,
    ):
        if n < 1 or not timestep_fs > 0 or interval_fs < timestep_fs:
            raise UserError("a biased run needs n >= 1, a timestep above 0 and an interval no shorter")
        self.input = input
        every = max(round(interval_fs / timestep_fs), 1)
        self.dynamics = Dynamics(NVT(temperature_K), n_steps=n * every, timestep_fs=timestep_fs, every=every)

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Run it; raises MissingExtraError without PLUMED, UserError where PLUMED refuses the input."""
        lines, starts, drawn = self._lines(), starting(start), []
        for k, atoms in enumerate(starts):

            def said(_, fraction: float, words: str, k: int = k) -> None:
                progress("dynamics", (k + fraction) / len(starts), words)

            atoms.calc = plumed_calculator(
                calculator_of(driver, atoms),
                atoms,
                lines,
                timestep_fs=self.dynamics.timestep_fs,
                temperature_K=self.dynamics.ensemble.temperature_K,
            )
            run = self.dynamics.run(atoms, seed=seed_of(seed, k), progress=said)
            frames = run.frames[1:-1] if run.stopped else run.frames[1:]
            drawn += [drawn_from(atoms, frame, "plumed") for frame in frames]
        if not drawn:
            raise UserError("the biased dynamics broke before its first structure; lower the timestep or the bias")
        return drawn

    def _lines(self) -> list[str]:
        if isinstance(self.input, (str, Path)):
            if not Path(self.input).is_file():
                raise UserError(f"there is no PLUMED input '{self.input}'; name a file, or give a list of lines")
            return Path(self.input).read_text(encoding="utf-8").splitlines()
        return list(self.input)

    @classmethod
    def example(cls) -> "Plumed":
        """A restrained distance, two structures."""
        lines = ["d: DISTANCE ATOMS=1,2", "RESTRAINT ARG=d AT=0.15 KAPPA=100"]
        return cls(lines, n=2, interval_fs=4.0, timestep_fs=1.0)


def plumed_calculator(inner: Any, atoms: Atoms, lines: list[str], *, timestep_fs: float, temperature_K: float) -> Any:
    """ASE's calculator of PLUMED around another; raises MissingExtraError and UserError where it cannot be made."""
    make = plumed_class()
    try:
        return make(inner, lines, timestep_fs * units.fs, atoms=atoms, kT=BOLTZMANN * temperature_K, log=os.devnull)
    except Exception as error:  # the kernel speaks of an input in exceptions of its own
        words = " ".join(str(error).split())
        raise UserError(KERNEL if "kernel" in words.lower() else f"PLUMED refuses the input: {words}") from error


def plumed_class() -> Callable[..., Any]:
    """The class of ASE; raises MissingExtraError where PLUMED's own package is not there."""
    if importlib.util.find_spec("plumed") is None:
        raise MissingExtraError.of("plumed", "plumed")
    from ase.calculators.plumed import Plumed as Calculator

    return Calculator
