"""A labeller of a user's own file that appends to a log when a computation begins and when it ends."""

import os
import time

import numpy as np

from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import UserError


class Appending(Labeller):
    """Energy -n of n atoms after `seconds`; a lone atom is refused."""

    def __init__(self, log: str, *, seconds: float = 0.3):
        self.log, self.seconds = log, seconds

    @property
    def level(self):
        return "appending"

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        self._append(f"begin {len(atoms)}")
        time.sleep(self.seconds)
        if len(atoms) == 1:
            raise UserError("a lone atom is too sad; give it company")
        self._append(f"end {len(atoms)}")
        return Structure(atoms, energy=-float(len(atoms)), forces=np.zeros((len(atoms), 3)), level=self.level)

    def _append(self, line):
        with open(self.log, "a") as file:
            file.write(f"{line} {os.getpid()}\n")

    @classmethod
    def example(cls):
        return cls("log")
