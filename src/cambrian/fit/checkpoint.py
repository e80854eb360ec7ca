"""Checkpoints of a solver: tensors and plain data in one safetensors file, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cambrian.contracts.archive import write_in_place


def write_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Store tensors by name and plain data beside them; no two tensors may share memory."""
    content = {name: t.detach().contiguous() for name, t in tensors.items()}
    write_in_place(path, save(content, metadata={"state": json.dumps(state)}))


def read_checkpoint(path: Path, problem: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and state of a checkpoint of the same `problem`; None when there is none, or it is of another problem."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    return (tensors, state) if state.get("problem") == problem else None
