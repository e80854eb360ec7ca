"""The folder of a fit: potential.safetensors, metrics.json, recipe.yaml, report.html, and history.csv of epochs.

Each file is moved into place whole; the report comes last, so where it is, the others are.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian.contracts.archive import save, write_in_place
from cambrian.elements import symbols
from cambrian.fit.fit import Fit
from cambrian.report.fit_report import fit_chapters
from cambrian.report.folder_report import refresh, store

CHECKPOINT = "checkpoint.safetensors"
FEW = 24  # values of what the data decided that recipe.yaml shows


def write_fit(folder: Path, fit: Fit, *, name: str, recipe: str, warnings: Sequence[str] = ()) -> None:
    """Write all files of a fit; `recipe` is its YAML. Raises UserError where the folder cannot be written.

    The potential of an earlier fit in this folder is kept as potential.previous.safetensors.
    """
    metrics = fit.metrics()
    write_in_place(folder / "recipe.yaml", recipe.encode())
    if fit.solution.history:
        write_in_place(folder / "history.csv", history_text(fit.solution.history).encode())
    else:
        (folder / "history.csv").unlink(missing_ok=True)  # of an earlier fit in this folder
    write_in_place(folder / "metrics.json", (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode())
    chapters = fit_chapters(fit, name=name, recipe=recipe, warnings=warnings)
    potential = folder / "potential.safetensors"
    if potential.exists():
        potential.replace(folder / "potential.previous.safetensors")
    save(fit.potential, potential, record(fit) | {"recipe": recipe})
    store(folder, f"{name}: report of the fit", chapters, subtitle=str(folder.resolve().name))
    refresh(folder, fit.potential)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def resolved(fit: Fit, split: dict[str, Any]) -> dict[str, Any]:
    """What the data decided, for recipe.yaml: how they were split, elements, and the short tables of `setup`.

    `split` says where the structures come from; sizes and the hash of the training data are added.
    """
    tables = {
        name: value.tolist()
        for name, value in fit.potential.named_buffers()
        if 0 < value.numel() <= FEW and not name.endswith("elements")
    }
    return {
        "elements": symbols(fit.potential.elements),
        "split": split
        | {f"n_{name}": len(part.data) for name, part in fit.parts.items()}
        | {"train_hash": fit.data_hash},
        "tables": tables,
    }


def history_text(history: list[dict[str, float]]) -> str:
    """CSV with a column for every figure that any row has."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue()


def record(fit: Fit) -> dict:
    """What the header of the model file tells of the fit."""
    errors = {
        name: {k: v for k, v in part.errors.figures().items() if k != "groups"} for name, part in fit.parts.items()
    }
    levels = sorted({s.level for s in fit.parts["train"].data if s.level})
    facts = fit.metrics()
    return {
        "level_of_theory": ", ".join(levels) or None,
        "errors": errors,
        **{name: facts[name] for name in ("data_hash", "seed", "fit_seconds", "n_parameters", "versions")},
    }
