"""The doctor: looks at labelled structures before anything is fitted, and says what is wrong and how to mend it.

Each check is a function of the dataset that returns its findings; `CHECKS` is their order.
"""

import numpy as np
from ase.data import covalent_radii

from cambrian.data.composition import composition, compositions_decide, fitted_atomic_energies, stated_atomic_energies
from cambrian.data.dataset import Dataset
from cambrian.data.finding import GRAVITY, Finding
from cambrian.data.likeness import duplicates
from cambrian.data.unit_checks import (
    all_labels_in_another_unit,
    bond_lengths,
    forces_against_energies,
    stress_against_energies,
    total_energies,
)
from cambrian.elements import symbol
from cambrian.graph import graph_of

TOO_CLOSE = 0.55  # of the sum of covalent radii
FAR_OUT = 15.0  # robust standard deviations
LARGE_FORCE = 30.0  # eV/Å
NET_FORCE = 0.1  # eV/Å


def examine(data: Dataset) -> list[Finding]:
    """Everything the doctor finds, the gravest first; an empty list means a clean bill."""
    if not len(data):
        return [Finding("empty", "error", "the dataset holds no structure", "read some")]
    found = [finding for check in CHECKS for finding in check(data)]
    return sorted(found, key=lambda f: GRAVITY.index(f.gravity))


def missing_labels(data: Dataset) -> list[Finding]:
    """Structures without an energy or without forces where others have them."""
    findings = []
    lacking = [k for k, s in enumerate(data) if not s.has_energy]
    if lacking:
        sentence = f"{len(lacking)} of {len(data)} structures have no energy"
        findings.append(
            Finding("missing energies", "warning", sentence, "label them; fits leave them out", tuple(lacking))
        )
    lacking = [k for k, s in enumerate(data) if s.forces is None and len(s) > 1]
    if 0 < len(lacking) < len(data):
        sentence = f"{len(lacking)} of {len(data)} structures have no forces"
        findings.append(Finding("missing forces", "note", sentence, "fits use their energies only", tuple(lacking)))
    return findings


def levels_of_theory(data: Dataset) -> list[Finding]:
    """More than one level of theory in one dataset."""
    stated = sorted({s.level for s in data if s.level})
    if len(stated) < 2:
        return []
    sentence = f"the structures are of several levels of theory ({', '.join(stated)})"
    return [Finding("mixed levels", "error", sentence, "choose one when reading, with level")]


def isolated_atoms(data: Dataset) -> list[Finding]:
    """Isolated-atom energies: contradicting each other or the structures; absent, with an estimate."""
    stated, fitted = stated_atomic_energies(data), fitted_atomic_energies(data)
    findings = []
    for z, energies in stated.items():
        if max(energies) - min(energies) > 0.01:
            sentence = f"isolated {symbol(z)} has several energies, from {min(energies):.4f} to {max(energies):.4f} eV"
            findings.append(Finding("isolated atoms", "warning", sentence, "keep that of the ground state"))
    missing = [z for z in data.numbers if z not in stated]
    if not missing:
        return findings + _binding(data, {z: min(e) for z, e in stated.items()})
    if fitted:
        said = "fitted to the energies: " + ", ".join(f"{symbol(z)} {fitted[z]:.3f}" for z in missing) + " eV"
        if not compositions_decide(data):
            said = "the compositions do not tell their energies apart"
        sentence = f"no isolated atom of {', '.join(symbol(z) for z in missing)}; {said}"
        mend = "add single atoms in a large box for right dissociation; fits use the estimate otherwise"
        findings.append(Finding("isolated atoms", "note", sentence, mend))
    return findings


def _binding(data: Dataset, isolated: dict[int, float]) -> list[Finding]:
    counts, energies = composition(data)
    n_atoms = counts.sum(axis=1)
    several = (n_atoms > 1) & np.isfinite(energies)
    if not several.any():
        return []
    e0 = np.array([isolated[z] for z in data.numbers])
    binding = np.median((energies - counts @ e0)[several] / n_atoms[several])
    if -15 < binding < 0.5:
        return []
    sentence = f"the energies do not match those of the isolated atoms: {binding:.2f} eV/atom remain as binding"
    mend = "compute atoms and structures at one level, with the same reference (total energies or atomization energies)"
    return [Finding("isolated atoms", "error", sentence, mend)]


def zeroed_forces(data: Dataset) -> list[Finding]:
    """Forces set to zero on atoms that were held: their true values were not zero."""
    held, zeroed = [], []
    for k, s in enumerate(data):
        if s.forces is None or len(s) < 2:
            continue
        zero = ~np.any(s.forces, axis=1)
        mask = s.atoms.arrays.get("move_mask")
        is_held = None if mask is None else ~np.asarray(mask, dtype=bool).reshape(len(s), -1).all(axis=1)
        if is_held is not None and is_held.any() and zero[is_held].all():
            held.append(k)
        elif zero.any() and not zero.all() and np.linalg.norm(s.forces.sum(axis=0)) > NET_FORCE:
            zeroed.append(k)  # symmetry also makes zeros, but then the forces add up to nothing
    frames = tuple(held + zeroed)
    if not frames:
        return []
    sentence = f"{len(frames)} structures have forces that were set to zero on some atoms, as constraints do"
    return [
        Finding("zeroed forces", "error", sentence, "read the original output, or give these force_weight 0", frames)
    ]


def net_forces(data: Dataset) -> list[Finding]:
    """Forces that do not add up to zero."""
    sums = [0.0 if s.forces is None else float(np.linalg.norm(s.forces.sum(axis=0))) for s in data]
    frames = _worst(np.array(sums), NET_FORCE)
    if not frames:
        return []
    sentence = f"the forces of {len(frames)} structures add up to more than {NET_FORCE} eV/Å (up to {max(sums):.2f})"
    return [Finding("net force", "note", sentence, "tighten the convergence, or look for an outer field", frames)]


def repeated_structures(data: Dataset) -> list[Finding]:
    """Structures that occur more than once, and whether their energies agree."""
    groups = duplicates(data)
    if not groups:
        return []
    spread = [np.ptp([data[k].energy_per_atom for k in group if data[k].has_energy] or [0.0]) for group in groups]
    findings = []
    torn = [group for group, s in zip(groups, spread, strict=True) if s > 1e-3]
    if torn:
        apart = f"up to {max(spread):.3g} eV/atom apart"
        sentence = f"{len(torn)} structures occur more than once with different energies, {apart}"
        mend = "keep one level of theory and one calculation of each"
        findings.append(Finding("contradictions", "warning", sentence, mend, tuple(k for g in torn for k in g)))
    extra = tuple(k for group in groups for k in group[1:])
    sentence = f"{len(extra)} structures repeat others (same geometry in any order and orientation)"
    findings.append(
        Finding("duplicates", "note", sentence, "remove them: they weigh twice, and may leak into a test set", extra)
    )
    return findings


def outliers(data: Dataset) -> list[Finding]:
    """Energies far from the rest after composition, and very large forces."""
    counts, energies = composition(data)
    n_atoms = counts.sum(axis=1)
    fitted = fitted_atomic_energies(data)
    findings = []
    if fitted:
        rest = (energies - counts @ np.array(list(fitted.values()))) / n_atoms
        rest[(n_atoms == 1) | ~np.isfinite(rest)] = np.nan
        if np.isfinite(rest).sum() > 10:
            middle = np.nanmedian(rest)
            score = np.abs(rest - middle) / max(1.4826 * np.nanmedian(np.abs(rest - middle)), 1e-3)
            frames = _worst(np.nan_to_num(score), FAR_OUT)
            if frames:
                sentence = (
                    f"the energies of {len(frames)} structures lie far from the rest, by up to "
                    f"{np.nanmax(np.abs(rest - middle)):.2f} eV/atom (furthest: {data[frames[0]].where})"
                )
                findings.append(
                    Finding("outliers", "note", sentence, "look at them; weigh them down or remove them", frames)
                )
    largest = np.array([0.0 if s.forces is None else np.abs(s.forces).max(initial=0.0) for s in data])
    frames = _worst(largest, LARGE_FORCE)
    if frames:
        sentence = (
            f"{len(frames)} structures have forces over {LARGE_FORCE:.0f} eV/Å, up to {largest.max():.1f} "
            f"(largest: {data[frames[0]].where})"
        )
        findings.append(Finding("large forces", "note", sentence, "weigh them down or remove them", frames))
    return findings


def close_atoms(data: Dataset) -> list[Finding]:
    """Atoms much closer than any bond."""
    nearest = np.full(len(data), np.inf)
    for k, s in enumerate(data):
        graph = graph_of(s.atoms, 2 * TOO_CLOSE * covalent_radii[s.atoms.numbers].max() + 0.5)
        if graph.n_edges:
            radii = covalent_radii[graph.numbers[graph.center]] + covalent_radii[graph.numbers[graph.neighbor]]
            nearest[k] = (graph.r_ij.norm(dim=1).numpy() / radii).min()
    frames = _worst(-nearest, -TOO_CLOSE)
    if not frames:
        return []
    sentence = (
        f"{len(frames)} structures have atoms closer than {TOO_CLOSE} times the sum of their covalent radii, "
        f"down to {nearest.min():.2f} ({data[frames[0]].where})"
    )
    return [
        Finding("close atoms", "note", sentence, "check that they are meant; they need a repulsive baseline", frames)
    ]


def zero_stress(data: Dataset) -> list[Finding]:
    """Stresses that are exactly zero: written, but not computed."""
    frames = tuple(k for k, s in enumerate(data) if s.stress is not None and not s.stress.any())
    if not frames:
        return []
    sentence = f"the stress of {len(frames)} structures is exactly zero: it was probably not computed"
    return [Finding("zero stress", "warning", sentence, "remove it from these, or give them stress_weight 0", frames)]


def _worst(values: np.ndarray, limit: float) -> tuple[int, ...]:
    """Indices of the values above a limit, the largest first."""
    beyond = np.flatnonzero(values > limit)
    return tuple(beyond[np.argsort(-values[beyond], kind="stable")].tolist())


CHECKS = (
    missing_labels,
    levels_of_theory,
    bond_lengths,
    total_energies,
    forces_against_energies,
    stress_against_energies,
    all_labels_in_another_unit,
    zero_stress,
    zeroed_forces,
    isolated_atoms,
    repeated_structures,
    outliers,
    close_atoms,
    net_forces,
)
