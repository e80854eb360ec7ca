"""From a frame to a structure: labels by key, units turned, and everything that cannot be right refused.

stress = -virial / V        (virial in eV; both with ASE's sign: positive stress = tensile)
"""

from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from cambrian.data.frame import Frame
from cambrian.data.keys import PER_ATOM, Plan, plan
from cambrian.data.structure import NAN, Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.errors import UserError
from cambrian.graph.neighbors import refuse_bad_geometry

ABSURD = {"energy": 1e7, "forces": 1e5, "stress": 1e3, "charges": 1e3, "dipole": 1e5}  # eV/atom, eV/Å, eV/Å³, e, e Å
ASYMMETRY = 1e-3  # of the largest component: more than rounding explains


@dataclass
class Tally:
    """What happened to keys and labels while frames became structures: how many frames, and the first of them."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, frame: int) -> None:
        """Count `what` for a frame."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self.first.setdefault(what, frame)


def structure_of(
    frame: Frame, *, chosen: tuple[tuple[str, str], ...], units: UnitSystem, source: str, tally: Tally
) -> Structure:
    """The labelled structure of a frame.

    Raises UserError (without file and frame) for labels that are NaN, absurd or of the wrong shape, and for
    geometries that no potential can be computed on.
    """
    keys = plan(tuple(frame.info), tuple(frame.arrays), chosen)
    atoms = Atoms(numbers=frame.numbers, positions=frame.positions * units.length, cell=frame.cell * units.length)
    atoms.pbc = frame.pbc
    refuse_bad_geometry(atoms)
    _tally_keys(keys, frame, tally)
    n_atoms, info = len(atoms), frame.info
    labels = {
        "energy": _scalar(info, keys, "energy", units.energy),
        "forces": _array(frame.arrays, keys, "forces", (n_atoms, 3), units.energy / units.length),
        "charges": _array(frame.arrays, keys, "charges", (n_atoms,), 1.0),
        "dipole": _array(info, keys, "dipole", (3,), units.length),
        "stress": _stress(atoms, info, keys, units, frame.index, tally),
    }
    _refuse_bad_labels(labels, keys.keys, n_atoms)
    used = {*keys.keys.values(), *keys.others.values()}
    atoms.info = {k: v for k, v in info.items() if k not in used}
    for name, values in frame.arrays.items():
        if name not in used:
            atoms.arrays[name] = values
    return Structure(
        atoms=atoms,
        **labels,
        total_charge=_number(info, keys, "total_charge", 0.0),
        spin=_spin(info, keys),
        group=str(info.get(keys.others.get("group", ""), "")),
        level=str(info.get(keys.others.get("level", ""), "")),
        weights=_weights(info, keys),
        source=source,
        frame=frame.index,
    )


def charge_and_spin(info: dict) -> tuple[float, float]:
    """Total charge (e) and number of unpaired electrons that `atoms.info` states under any of their keys; 0 if none."""
    keys = plan(tuple(key for key in info if isinstance(key, str)), (), ())
    return _number(info, keys, "total_charge", 0.0), _spin(info, keys)


def _tally_keys(keys: Plan, frame: Frame, tally: Tally) -> None:
    tally.add(f"key:{keys.keys.get('energy')}", frame.index)
    for other in keys.passed_over:
        taken = keys.keys["energy"]
        if not np.allclose(frame.info[other], frame.info[taken], rtol=0, atol=1e-9):
            tally.add(f"energies:{taken}:{other}", frame.index)


def _scalar(info: dict, keys: Plan, label: str, unit: float) -> float:
    if label not in keys.keys:
        return NAN
    value = info[keys.keys[label]]
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise UserError(f"{label} '{value}' (key {keys.keys[label]}) is not a number") from None
    if array.size != 1:
        raise UserError(f"{label} (key {keys.keys[label]}) holds {array.size} numbers where one belongs")
    if not np.isfinite(array).all():
        raise UserError(_not_finite(label, keys.keys[label], ""))
    return float(array.reshape(())) * unit


def _array(values: dict, keys: Plan, label: str, shape: tuple[int, ...], unit: float) -> NDArray | None:
    if label not in keys.keys:
        return None
    array = np.asarray(values[keys.keys[label]])
    if array.dtype.kind not in "if" or array.shape != shape:
        wanted = " x ".join(str(n) for n in shape)
        found = " x ".join(str(n) for n in array.shape) if array.dtype.kind in "if" else "text"
        raise UserError(
            f"{label} (key {keys.keys[label]}) have the shape {found}, not {wanted}; repair or remove this frame"
        )
    return array.astype(float) * unit


def _stress(atoms: Atoms, info: dict, keys: Plan, units: UnitSystem, frame: int, tally: Tally) -> NDArray | None:
    label = "stress" if "stress" in keys.keys else "virial"
    if label not in keys.keys:
        return None
    key = keys.keys[label]
    array = np.asarray(info[key])
    if array.dtype.kind not in "if" or array.size not in (6, 9):
        raise UserError(f"{label} (key {key}) is not 6 numbers (xx yy zz yz xz xy) or 9; repair or remove this frame")
    tensor = voigt_6_to_full_3x3_stress(array.reshape(6)) if array.size == 6 else array.reshape(3, 3)
    if not np.isfinite(tensor).all():
        raise UserError(_not_finite(label, key, ""))
    if not atoms.pbc.all():
        tally.add("stress without cell", frame)
        return None
    if np.abs(tensor - tensor.T).max() > ASYMMETRY * max(np.abs(tensor).max(), 1e-12):
        tally.add("asymmetric stress", frame)
    tensor = (tensor + tensor.T) / 2
    return tensor * units.stress if label == "stress" else -tensor * units.energy / abs(np.linalg.det(atoms.cell.array))


def _number(info: dict, keys: Plan, what: str, absent: float) -> float:
    if what not in keys.others:
        return absent
    value = info[keys.others[what]]
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"{what.replace('_', ' ')} '{value}' (key {keys.others[what]}) is not a number") from None


def _spin(info: dict, keys: Plan) -> float:
    if "spin" in keys.others or "multiplicity" not in keys.others:
        return _number(info, keys, "spin", 0.0)
    return _number(info, keys, "multiplicity", 1.0) - 1.0


def _weights(info: dict, keys: Plan) -> dict[str, float]:
    common = _number(info, keys, "all_weight", 1.0)
    weights = {kind: common * _number(info, keys, f"{kind}_weight", 1.0) for kind in ("energy", "force", "stress")}
    if any(not (np.isfinite(w) and w >= 0) for w in weights.values()):
        raise UserError(f"a weight is negative or not a number: {weights}")
    return {kind: w for kind, w in weights.items() if w != 1}


def _refuse_bad_labels(labels: dict, keys: dict[str, str], n_atoms: int) -> None:
    for label, value in labels.items():
        if value is None or (label == "energy" and label not in keys):
            continue
        array = np.asarray(value)
        key = keys.get(label) or keys.get("virial", label)
        if not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))
            raise UserError(_not_finite(label, key, f" of atom {bad[0, 0]}" if label in PER_ATOM else ""))
        largest = np.abs(array).max(initial=0.0) / (max(n_atoms, 1) if label == "energy" else 1)
        if largest > ABSURD[label]:
            raise UserError(
                f"{label} (key {key}) reaches {largest:.3g} in eV and Å, which no calculation gives; check the units "
                f"(option units) or remove this frame"
            )


def _not_finite(label: str, key: str, where: str) -> str:
    return f"the {label}{where} (key {key}) is not a finite number; repair or remove this frame, or read with skip_bad"
