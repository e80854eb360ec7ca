"""Labellers that fail, crawl or kill their process; here because worker processes import them by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import UserError


class Odd(Labeller):
    """Energy = number of calls tell-tale: every call leaves a file in `folder`; what it does is named by `atoms.info`.

    info["do"]: `refuse` raises UserError, `break` divides by zero, `die` kills the process, `die once` only at the
    first attempt, `sleep` takes 0.15 s, `threads` gives the number of threads that the process may use.
    """

    def __init__(self, folder: str):
        self.folder = folder

    @property
    def level(self):
        return "odd"

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        attempt = len(list(Path(self.folder).glob(f"{len(atoms)}-*")))
        (Path(self.folder) / f"{len(atoms)}-{os.getpid()}-{time.monotonic_ns()}").touch()
        do = atoms.info.get("do", "")
        if do == "refuse":
            raise UserError("no convergence")
        if do == "break":
            1 / 0  # noqa: B018
        if do == "die" or (do == "die once" and attempt == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "sleep":
            time.sleep(0.15)
        energy = float(os.environ["OMP_NUM_THREADS"]) if do == "threads" else -float(len(atoms))
        return Structure(atoms, energy=energy, forces=np.full((len(atoms), 3), 1 / 3), level=self.level)

    @classmethod
    def example(cls):
        return cls(".")


def calls(folder) -> int:
    """How often anything was computed."""
    return len(list(Path(folder).iterdir()))
