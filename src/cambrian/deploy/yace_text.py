"""The .yace file of `pair_style pace` (LAMMPS's package ML-PACE), of PACEMAKER and of FitSNAP, as text.

    elements, E0, deltaSplineBins; embeddings by element; bonds by [center, neighbor]; functions by element

Every number is written to its last digit. LAMMPS tabulates the radial functions in steps of deltaSplineBins (Å).
Format: Y. Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); https://github.com/ICAMS/lammps-user-pace.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cambrian.contracts.lammps import LammpsPace

SPLINE_STEP = 0.001  # Å


def yace_text(pace: LammpsPace) -> str:
    """The content of a .yace file."""
    names = list(pace.elements)
    lines = ["# Atomic cluster expansion, eV and angstrom; written by cambrian"]
    lines += [f"elements: [{', '.join(names)}]", f"E0: {_flow(pace.energies)}", f"deltaSplineBins: {SPLINE_STEP}"]
    lines.append("embeddings:")
    lines += [f"  {k}: {_flow(embedding)}" for k, embedding in enumerate(pace.embeddings)]
    lines.append("bonds:")
    for pair, bond in pace.bonds.items():
        first, second = (names.index(s) for s in pair.split())
        lines.append(f"  [{first}, {second}]: {_flow(bond)}")
    lines.append("functions:")
    for k, functions in enumerate(pace.functions):
        lines.append(f"  {k}:{'' if functions else ' []'}")
        lines += [f"    - {_flow(function)}" for function in functions]
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """YAML in one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)
