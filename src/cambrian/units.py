"""Units of the package: eV, Å, e, amu, fs, K. Values are what one foreign unit is worth in ours (CODATA 2018).

Only `data/`, `deploy/` and printing convert; everything else computes in these units.
"""

HARTREE = 27.211386245988  # eV
BOHR = 0.529177210903  # Å
KCAL_PER_MOL = 1 / 23.060547830619  # eV
KJ_PER_MOL = KCAL_PER_MOL / 4.184  # eV
RYDBERG = HARTREE / 2  # eV
GPA = 1 / 160.2176634  # eV/Å³
BAR = 1e-4 * GPA  # eV/Å³
KBAR = 1e3 * BAR  # eV/Å³
COULOMB = 14.3996454784  # eV Å: e²/(4π ε0), the energy of two unit charges 1 Å apart
BOLTZMANN = 8.617333262e-5  # eV/K
HBAR = 0.6582119569  # eV fs
TIME = 10.1805057  # fs: the unit of time that goes with eV, Å and amu
SIEMENS_PER_METER = 1e-6 / 1.602176634  # e²/(eV Å fs)
WATT_PER_METER_KELVIN = 1e-6 / 1.602176634  # eV/(Å fs K)
