"""What checks found, kept beside the potential: `potential.validation.json`, with the drawings as SVG.

Later commands read it: the report shows the physics, `deploy` warns where the survival check has not passed. It belongs
to one state of one potential: after another fit it counts no more.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambrian.configurable import describe
from cambrian.contracts.archive import fingerprint, write_in_place
from cambrian.contracts.check import Check, Result
from cambrian.contracts.force_model import Model
from cambrian.report.drawing import svg

SURVIVAL = "survival"
SIZE = (3.6, 3.1)  # inches


def place_of(potential_file: Path) -> Path:
    """Where the results of a potential's checks stand."""
    return potential_file.with_suffix(".validation.json")


def remember(potential_file: Path, potential: Model, check: Check, name: str, result: Result) -> None:
    """Add what a check found to what is known of this potential, in place of an earlier result of the same check.

    Raises UserError where the file cannot be written.
    """
    known = recalled(potential_file, potential) | {name: record_of(check, result)}
    content = {"potential": fingerprint(potential), "checks": known}
    write_in_place(place_of(potential_file), (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def recalled(potential_file: Path, potential: Model) -> dict[str, dict[str, Any]]:
    """Results by the names of checks; empty where there are none of this very potential."""
    try:
        content = json.loads(place_of(potential_file).read_text(encoding="utf-8"))
        return dict(content["checks"]) if content["potential"] == fingerprint(potential) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def record_of(check: Check, result: Result) -> dict[str, Any]:
    """A result as plain data with the settings of its check."""
    return facts_of(result) | {"settings": describe(dict(check.arguments))}


def facts_of(result: Result) -> dict[str, Any]:
    """A result as plain data: figures, verdict, sentence, reference, tolerance, units, and drawings as SVG."""
    facts = ("figures", "verdict", "sentence", "reference", "tolerance", "units")
    drawings = {name: svg(draw, name.replace("_", " "), SIZE) for name, draw in result.plots.items()}
    return {name: plain(getattr(result, name)) for name in facts} | {"drawings": drawings}


def plain(value: Any) -> Any:
    """Numbers, text, lists and mappings; what is not finite becomes null, as JSON has no word for it."""
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def survival_warning(potential_file: Path, potential: Model) -> str:
    """What to warn of before a potential goes into production; empty where the survival check has passed."""
    found = recalled(potential_file, potential).get(SURVIVAL)
    mend = f"run `cambrian validate {SURVIVAL} {potential_file} START` first"
    if found is None:
        return f"nobody has checked that dynamics with this potential survives: {mend}"
    if found["verdict"] == "failed":
        return f"this potential FAILED the survival check: {found['sentence']}"
    return ""
