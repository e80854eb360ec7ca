"""Units and signs, from physics: work against energy, temperatures, elastic constants, bond lengths, total energies.

Energies of all electrons follow the statistical model of the atom within a few percent (Englert & Schwinger 1985):

    E(Z) ≈ -0.768745 Z^{7/3} + Z²/2 - 0.269900 Z^{5/3}   hartree
"""

import numpy as np
from ase.data import covalent_radii

from cambrian import units
from cambrian.data.composition import composition
from cambrian.data.consistency import Slope, force_slope, stiffness, stress_slope, temperature
from cambrian.data.dataset import Dataset
from cambrian.data.finding import Finding
from cambrian.graph import graph_of

HOTTEST = 5000.0  # K: no reference dynamics is so hot, a kcal/mol in eV clothing is 23 times too hot
STIFFEST = 3000 * units.GPA  # diamond, the stiffest, reaches 1200 GPa
WIDEST, NARROWEST = 1.5, 0.5  # typical nearest neighbor in sums of covalent radii
NOBLE = {2, 10, 18, 36, 54, 86}
KCAL, HARTREE = 1 / units.KCAL_PER_MOL, units.HARTREE
ENERGY_FACTORS = {
    KCAL: "the energies are in kcal/mol while the forces are in eV/Å",
    1 / KCAL: "the forces are in kcal/mol/Å while the energies are in eV",
    HARTREE: "the forces are in Hartree/Å while the energies are in eV",
    1 / HARTREE: "the energies are in Hartree while the forces are in eV/Å",
    HARTREE / units.BOHR: "the forces are in Hartree/bohr while the energies are in eV",
    units.BOHR / HARTREE: "the energies are in Hartree while the forces are in eV/bohr",
    units.BOHR * KCAL: "the energies are in kcal/mol while the positions are in bohr and the forces in eV/Å",
}
STRESS_FACTORS = {
    units.GPA: "the stress is in GPa",
    units.KBAR: "the stress is in kbar",
    units.BAR: "the stress is in bar",
    1e3: "the stress was turned from bar where it was in kbar (it is 1000 times too small)",
    1e-3: "the stress was turned from kbar where it was in bar (it is 1000 times too large)",
    units.HARTREE / units.BOHR**3: "the stress is in Hartree/bohr³",
    KCAL: "the energies are in kcal/mol while the stress is in eV/Å³",
    1 / KCAL: "the stress is in kcal/mol/Å³ while the energies are in eV",
    HARTREE: "the stress is in Hartree/Å³ while the energies are in eV",
    1 / HARTREE: "the energies are in Hartree while the stress is in eV/Å³",
}
UNITS_MEND = "read the files with their units, such as units='kcal/mol, Å' or units='Hartree, bohr'"


def forces_against_energies(data: Dataset) -> list[Finding]:
    """Force sign and units, from the work between close frames."""
    found = force_slope(data)
    if not found.is_clear or 0.4 < found.slope < 2.5:
        return []
    if found.slope < 0 and 0.4 < -found.slope < 2.5:
        sentence = (
            f"the forces have the wrong sign: they are gradients (energies follow {found.slope:.2f} times their work)"
        )
        return [Finding("force sign", "error", sentence, "turn the sign of the forces in the files")]
    said = _nearest(abs(found.slope), ENERGY_FACTORS, within=1.35) or "their units differ"
    sentence = f"energies and forces do not go together: {said} ({_evidence(found)})"
    return [Finding("force units", "error", sentence, UNITS_MEND)]


def stress_against_energies(data: Dataset) -> list[Finding]:
    """Stress sign and unit, from the work between slightly strained frames."""
    found = stress_slope(data)
    if not found.is_clear or 0.4 < found.slope < 2.5:
        return []
    said = _nearest(abs(found.slope), STRESS_FACTORS, within=1.6)
    findings = []
    if found.slope < 0:
        sentence = (
            f"the stress has the wrong sign: here compression is positive, as in VASP and LAMMPS ({_evidence(found)})"
        )
        mend = "read the files with units='eV, Å, -eV/Å³' (or -kbar, -GPa), or turn the sign of the stress"
        findings.append(Finding("stress sign", "error", sentence, mend))
    if said or not 0.4 < abs(found.slope) < 2.5:
        sentence = f"stress and energies do not go together: {said or 'their units differ'} ({_evidence(found)})"
        mend = "read the files with the unit of their stress, such as units='eV, Å, GPa' or units='eV, Å, -kbar'"
        findings.append(Finding("stress unit", "error", sentence, mend))
    return findings


def all_labels_in_another_unit(data: Dataset) -> list[Finding]:
    """Energies and forces that agree with each other but are both too large to be in eV."""
    hot, stiff = temperature(data), stiffness(data)
    evidence = []
    if hot > HOTTEST:
        evidence.append(f"forces and displacements belong to dynamics at about {hot:.0f} K")
    if stiff > STIFFEST:
        evidence.append(f"elastic constants would be about {stiff / units.GPA:.0f} GPa")
    if not evidence:
        return []
    sentence = (
        f"energies and forces are too large to be in eV ({' and '.join(evidence)}); kcal/mol would be 23 times larger"
    )
    return [Finding("energy unit", "error", sentence, UNITS_MEND)]


def total_energies(data: Dataset) -> list[Finding]:
    """Energies of all electrons that are in Hartree or kcal/mol rather than eV."""
    counts, energies = composition(data)
    z = np.array(data.numbers, dtype=float)
    of_atom = -0.768745 * z ** (7 / 3) + z**2 / 2 - 0.2699 * z ** (5 / 3)
    known = np.isfinite(energies)
    if not known.any() or counts[known][:, z > 2].sum() == 0:
        return []
    ratio = np.median(energies[known] / (counts[known] @ of_atom))
    for value, name in ((1.0, "Hartree"), (HARTREE * KCAL, "kcal/mol")):
        if abs(ratio / value - 1) < 0.03:
            sentence = f"the energies are total energies of all electrons in {name}, not in eV"
            return [Finding("energy unit", "error", sentence, UNITS_MEND)]
    return []


def bond_lengths(data: Dataset) -> list[Finding]:
    """Positions in bohr or nm, from the distance of the typical nearest neighbor."""
    ratios = []
    for s in data[:: max(1, len(data) // 200)]:
        if len(s) > 1 and not set(s.atoms.numbers.tolist()) <= NOBLE:
            graph = graph_of(s.atoms, 6.0)
            radii = covalent_radii[graph.numbers[graph.center]] + covalent_radii[graph.numbers[graph.neighbor]]
            nearest = np.full(len(s), np.inf)
            np.minimum.at(nearest, graph.center.numpy(), graph.r_ij.norm(dim=1).numpy() / radii)
            ratios.append(np.median(nearest))
    typical = np.median(ratios) if ratios else 1.0
    if not np.isfinite(typical) or NARROWEST < typical < WIDEST:
        return []
    said = "bohr" if typical > 1 else "nm, or were turned from bohr twice"
    sentence = (
        f"the positions seem to be in {said}: nearest neighbors stand at {typical:.2f} times the sum of covalent radii"
    )
    return [Finding("length unit", "error", sentence, "read the files with their units, such as units='Hartree, bohr'")]


def _nearest(value: float, known: dict[float, str], *, within: float) -> str:
    """What the factors near a value mean, the nearest first: kcal/mol and Hartree are too close for slopes to tell."""
    near = sorted(known, key=lambda factor: abs(np.log(value / factor)))
    return ", or ".join(known[factor] for factor in near if abs(np.log(value / factor)) < np.log(within))


def _evidence(found: Slope) -> str:
    return (
        f"over {found.n_pairs} pairs of close frames the energy changes {found.slope:.3g} times as much as their work"
    )
