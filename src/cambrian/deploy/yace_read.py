"""Potentials of PACEMAKER, FitSNAP and other programs as .yace files: read, and evaluated here.

PyYAML takes no lists as keys, so that the bonds' [0, 1] become text before it reads them.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from cambrian.contracts.catalogue import build
from cambrian.contracts.potential import Potential
from cambrian.elements import number
from cambrian.errors import UserError

LIST_AS_KEY = re.compile(r"^(\s*)\[\s*(\d+)\s*,\s*(\d+)\s*\]\s*:", re.MULTILINE)
LONE_EXPONENT = re.compile(r"(?<![\w.])([-+]?\d+)([eE][-+]?\d+)")  # 1e-5 is text to YAML 1.1, 1.0e-5 a number


def read_yace(path: Path) -> Potential:
    """The potential of a .yace file; raises UserError, with the file, for what is broken or not known here."""
    content = _content(path)
    try:
        elements = [str(e) for e in content["elements"]]
        order = {k: e for k, e in enumerate(elements)}
        arguments = {
            "elements": elements,
            "energies": [float(e) for e in content["E0"]],
            "embeddings": [content["embeddings"][k] for k in order],
            "bonds": {_pair(key, elements): bond for key, bond in content["bonds"].items()},
            "functions": [content["functions"].get(k) or [] for k in order],
        }
        for e in elements:
            number(e)
        return build({"PACE": arguments}, where=str(path)).eval()
    except UserError as error:
        raise error.at(str(path)) from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{path} is not a whole .yace file: {type(error).__name__} {error}") from None


def _pair(key: str, elements: list[str]) -> str:
    first, second = (int(k) for k in str(key).split())
    return f"{elements[first]} {elements[second]}"


def _content(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    text = LIST_AS_KEY.sub(r'\1"\2 \3":', LONE_EXPONENT.sub(r"\1.0\2", text))
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no potential; a .yace file begins with `elements:`")
    return found
