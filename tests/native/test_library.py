"""The compiled library: an older one is told, and no pointer into an array outlives it."""

import ast
import ctypes
from pathlib import Path

import pytest

from cambrian.native import library

SOURCES = sorted(Path(library.__file__).parent.glob("*.py"))


def test_a_library_without_a_function_of_this_source_is_told(monkeypatch, tmp_path):
    old = tmp_path / "libcambrian_native.so"
    old.touch()
    monkeypatch.setattr(library, "_path", lambda: old)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())
    monkeypatch.delenv("CAMBRIAN_NATIVE_ISA", raising=False)
    loaded, reason = library._load.__wrapped__()
    assert loaded is None
    assert "older than this source" in reason
    assert "reinstall" in reason


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_pointers_are_of_arrays_with_a_name(path):
    """`f(x).ctypes.data` points into an array that is gone before the call."""
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute) and n.attr == "ctypes"]
    wrong = [f"line {n.lineno}" for n in nodes if not isinstance(n.value, (ast.Name, ast.Attribute))]
    assert not wrong
