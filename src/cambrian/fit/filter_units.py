"""In which units a Kalman filter reads energies and forces: its noise and its first covariance suppose sizes near one.

    by labels        u_E = rms of (E_ref - E)/N at the start        u_F = rms of F_ref
    by network       u_E = rms of F_ref / rms of F at the start × 1 eV        u_F = rms of F_ref

The second asks that the network, read in these units, begins with forces of the right size (n2p2's mode `force`; the
first is its mode `ref`).
"""

from abc import ABC, abstractmethod

from cambrian.configurable import Configurable
from cambrian.errors import UserError


class FilterUnits(Configurable, ABC):
    """Units of energy (eV) and force (eV/Å)."""

    rooms = ("fit",)

    @abstractmethod
    def units(self, energy_residual: float, force_label: float, force_start: float) -> tuple[float, float]:
        """From rms of energy residuals (eV/atom), of forces in the data and of those predicted at the start (eV/Å)."""


class ByLabels(FilterUnits):
    """The sizes of the labels."""

    def units(self, energy_residual: float, force_label: float, force_start: float) -> tuple[float, float]:
        """As they are."""
        return energy_residual or 1.0, force_label or 1.0


class ByNetwork(FilterUnits):
    """Forces by the labels, energies such that the potential begins with forces of the right size."""

    def units(self, energy_residual: float, force_label: float, force_start: float) -> tuple[float, float]:
        """The labels' size over that at the start; without forces, the size of the energies."""
        if not force_label or not force_start:
            return energy_residual or 1.0, 1.0
        return force_label / force_start, force_label


class FixedUnits(FilterUnits):
    """Given units, eV and eV/Å: those of another program, or of the data where they are normalised already."""

    def __init__(self, *, energy: float = 1.0, force: float = 1.0):
        if min(energy, force) <= 0:
            raise UserError("units are above 0")
        self.energy, self.force = energy, force

    def units(self, energy_residual: float, force_label: float, force_start: float) -> tuple[float, float]:
        """The given ones."""
        return self.energy, self.force
