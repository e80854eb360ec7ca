"""Calculators with known answers, and some that misbehave; here because subprocesses import them by name."""

import time

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Springs(Calculator):
    """E = ½ k Σ |r_(i+1) - r_i|² along a chain: N - 1 springs of no length, so 3 (N - 1) harmonic modes.

    `breaks_at`: the number of the call that answers NaN, raises, or gives an absurd push; `how` says which.
    """

    implemented_properties = ["energy", "forces"]
    name = "springs"

    def __init__(self, k=1.0, breaks_at=None, how="nan", sleep=0.0):
        super().__init__()
        self.k, self.breaks_at, self.how, self.sleep, self.n_calls = k, breaks_at, how, sleep, 0

    def todict(self):
        return {"k": self.k}

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.n_calls += 1
        if self.sleep:
            time.sleep(self.sleep)
        bonds = np.diff(self.atoms.positions, axis=0)
        forces = np.zeros((len(self.atoms), 3))
        forces[:-1] += self.k * bonds
        forces[1:] -= self.k * bonds
        if self.n_calls == self.breaks_at:
            if self.how == "raise":
                raise RuntimeError("no convergence")
            forces[1] += {"nan": np.nan, "push": 1e5}[self.how]
        self.results = {"energy": 0.5 * self.k * (bonds**2).sum(), "forces": forces}
