"""Which of a frame's keys hold the labels: every common alias, and one family of keys where a file holds several.

A key is a base name (`energy`) alone or after a prefix (`REF_energy`, `dft_energy`). Where a file has energies under
several prefixes, as one with predictions has, the reference comes before the plain name and the other labels are taken
from the same family only: predicted forces never stand in for labels.
"""

from dataclasses import dataclass, field
from functools import lru_cache

PREFIXES = ("ref_", "reference_", "dft_", "qm_", "target_", "true_", "")  # first preferred
BASES = {
    # the energy that forces are the derivative of comes first (VASP's free energy, not the one at zero smearing)
    "energy": ("free_energy", "energy", "total_energy", "totenergy", "tot_energy", "etot", "e_tot", "toteng"),
    "forces": ("forces", "force", "f"),
    "stress": ("stress", "stresses"),
    "virial": ("virial", "virials"),
    "charges": ("charges", "charge", "initial_charges", "atomic_charges"),
    "dipole": ("dipole", "dipoles", "dipole_moment"),
}
PER_ATOM = ("forces", "charges")
TOTAL_CHARGE = ("total_charge", "charge", "tot_charge", "q")
SPIN = ("spin", "n_unpaired", "unpaired_electrons", "spin_multiplicity_field")
MULTIPLICITY = ("multiplicity", "spin_multiplicity")
GROUP = ("config_type", "group", "configtype", "config_name")
LEVEL = ("level_of_theory", "level", "theory", "functional")
WEIGHTS = {
    "energy": ("energy_weight", "config_energy_weight", "eweight"),
    "force": ("force_weight", "forces_weight", "config_forces_weight", "config_force_weight", "fweight"),
    "stress": (
        "stress_weight",
        "virial_weight",
        "virials_weight",
        "config_stress_weight",
        "config_virials_weight",
        "vweight",
    ),
    "all": ("weight", "config_weight", "weights"),
}


@dataclass(frozen=True)
class Plan:
    """The key of each label, and the energies that were passed over."""

    keys: dict[str, str]
    passed_over: tuple[str, ...] = ()
    others: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=256)
def plan(info: tuple[str, ...], arrays: tuple[str, ...], chosen: tuple[tuple[str, str], ...]) -> Plan:
    """Choose keys from those of a frame; `chosen` are the user's own (label, key), which always win."""
    own = {label: key for label, key in chosen if key in (arrays if label in PER_ATOM else info)}
    asked = {label for label, _ in chosen}
    found = {label: _candidates(label, arrays if label in PER_ATOM else info) for label in BASES}
    energies = found["energy"]
    family = energies[0][0] if energies else None
    rivals = len({prefix for prefix, _ in energies}) > 1
    keys = {}
    for label, candidates in found.items():
        if label in own:
            keys[label] = own[label]
        elif label not in asked and not (label == "virial" and "stress" in asked):
            same = [key for prefix, key in candidates if prefix == family]
            any_family = [key for _, key in candidates]
            pool = same or ([] if rivals and "energy" not in own else any_family)
            keys |= {label: pool[0]} if pool else {}
    if "stress" in keys and "virial" in keys:
        del keys["virial"]
    passed_over = () if "energy" in asked else tuple(key for _, key in energies[1:])
    others = {
        "total_charge": TOTAL_CHARGE,
        "spin": SPIN,
        "multiplicity": MULTIPLICITY,
        "group": GROUP,
        "level": LEVEL,
        **{f"{kind}_weight": names for kind, names in WEIGHTS.items()},
    }
    named = {what: _first(names, info) for what, names in others.items()}
    return Plan(keys, passed_over, {what: key for what, key in named.items() if key is not None})


def _candidates(label: str, keys: tuple[str, ...]) -> list[tuple[str, str]]:
    lower = {key.lower(): key for key in reversed(keys)}
    return [(prefix, lower[prefix + base]) for prefix in PREFIXES for base in BASES[label] if prefix + base in lower]


def _first(names: tuple[str, ...], keys: tuple[str, ...]) -> str | None:
    lower = {key.lower(): key for key in reversed(keys)}
    return next((lower[name] for name in names if name in lower), None)
