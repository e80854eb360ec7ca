"""Model files: safetensors with a JSON header that names the class and its constructor arguments.

Loading builds the named class from the catalogue, calls its constructor with plain values and copies tensors into
place:
no code comes from the file. Tensors keep their names, so every released format stays loadable.
"""

import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from cambrian.configurable import describe
from cambrian.contracts.catalogue import build
from cambrian.contracts.force_model import NOT_CONSERVED, ForceModel, Model
from cambrian.contracts.potential import Potential
from cambrian.elements import symbols
from cambrian.errors import UserError

FORMAT_VERSION = 1
UNITS = {"energy": "eV", "length": "Å", "charge": "e", "mass": "amu", "time": "fs", "stress": "eV/Å³, tensile positive"}


def save(potential: Model, path: str | Path, record: dict[str, Any] | None = None) -> Path:
    """Write a fitted potential; `record` (plain data: level of theory, data hash, errors ...) goes into the header.

    The file is written under a temporary name and moved into place. Raises UserError when it cannot be written.
    """
    header = {
        "format_version": FORMAT_VERSION,
        "potential": describe(potential),
        "elements": symbols(potential.elements),
        "cutoff": potential.cutoff,
        "receptive_field": potential.receptive_field,
        "units": UNITS,
        "record": record or {},
    }
    # clones: the format refuses tensors that share memory, as those of a potential that stands twice in a sum do
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in potential.state_dict().items()}
    path = Path(path)
    write_in_place(path, to_bytes(tensors, metadata={"cambrian": json.dumps(header)}))
    return path


def load(path: str | Path) -> Potential:
    """Read a potential; raises UserError for a file that is missing, broken, of a newer format, or of forces alone."""
    found = load_model(path)
    if isinstance(found, ForceModel):
        raise UserError(
            f"{path} gives forces without an energy ({type(found).__name__}): {NOT_CONSERVED}. cambrian predict, "
            "cambrian validate errors and cambrian md --forces-only take it; for all else fit a potential"
        )
    return found


def load_model(path: str | Path) -> Model:
    """Read a potential or a model of forces alone; raises UserError for a file that is missing, broken or newer."""
    header, tensors = _read(Path(path))
    potential = build(header["potential"], where=str(path))
    if not isinstance(potential, Model):
        raise UserError(f"{path} describes no potential; it is damaged or not ours")
    _assign(potential, tensors, Path(path))
    return potential.eval()


def restore(potential: Potential, path: str | Path) -> Potential:
    """Put the tensors of a model file into a potential of the same class and arguments, and return it.

    Unlike `load` it needs no class by its name. Raises UserError for a file that is broken or of another potential.
    """
    _assign(potential, _read(Path(path))[1], Path(path))
    return potential.eval()


def header_of(path: str | Path) -> dict[str, Any]:
    """The header of a model file, without building the potential."""
    return _read(Path(path))[0]


def fingerprint(potential: Model) -> str:
    """SHA-256 of class, arguments and tensors."""
    digest = hashlib.sha256(json.dumps(describe(potential), sort_keys=True).encode())
    for name, tensor in sorted(potential.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_in_place(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or not there; raises UserError when the place cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another place or free it") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise UserError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("cambrian", "null"))
            # clones: the file's own memory is not aligned, and sums over it would differ in the last bit
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise UserError(
            f"{path} is not a whole model file ({error}); it may be truncated: copy or fit it again"
        ) from error
    if not isinstance(header, dict) or not isinstance(header.get("format_version"), int) or "potential" not in header:
        raise UserError(f"{path} holds tensors, but no Cambrian potential")
    if header["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{path} has format {header['format_version']}, this version reads up to {FORMAT_VERSION}: update cambrian"
        )
    return header, tensors


def _assign(potential: Model, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Copy tensors into place by name; their shapes come from the file, since `setup` decided them."""
    for name, tensor in tensors.items():
        owner_name, _, leaf = name.rpartition(".")
        try:
            owner = potential.get_submodule(owner_name)
            present = getattr(owner, leaf)
        except AttributeError:
            owner, present = None, None
        if not isinstance(present, torch.Tensor) and not (owner is not None and leaf in owner._buffers):
            raise UserError(
                f"{path} holds '{name}', which {type(potential).__name__} does not have; it is damaged or not ours"
            )
        if isinstance(present, nn.Parameter):
            setattr(owner, leaf, nn.Parameter(tensor, requires_grad=present.requires_grad))
        else:
            setattr(owner, leaf, tensor)
    missing = set(potential.state_dict()) - set(tensors)
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}; it is damaged or was written by another version")
