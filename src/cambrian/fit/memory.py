"""How much memory prepared features will take, and how much there is."""

import os
from dataclasses import dataclass

SHARE = 0.6  # of the free memory that features may fill


@dataclass(frozen=True)
class Estimate:
    """Bytes that the features of a data set will take, and that are free."""

    needed: float
    free: float

    @property
    def fits(self) -> bool:
        """Whether features can be kept."""
        return self.needed <= SHARE * self.free

    def __str__(self) -> str:
        said = f"features take about {self.needed / 1e9:.2g} GB of {self.free / 1e9:.2g} GB free"
        if self.fits:
            return said
        return (
            f"{said}: computed again in every epoch, a block at a time; a smaller cutoff, fewer functions or fewer "
            "structures would let them stay"
        )


def available_memory() -> float:
    """Free memory of this machine in bytes; infinite where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return 1024.0 * float(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError):
        return float("inf")
