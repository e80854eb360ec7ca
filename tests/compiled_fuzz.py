"""Spoils files of compiled potentials in every way and opens them by the C ABI: `compiled_fuzz.py LIBRARY N FILE ...`

Prints how many were refused, opened and evaluated, as JSON. Needs nothing of Cambrian, so that it starts at once, with
sanitizers too; a crash is the end of the process.
"""

import ctypes
import json
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

STRANGE = [0.0, -0.0, -1.0, 1e-310, 1e-30, 1e30, 1e308, -1e308, np.nan, np.inf, -np.inf, 0.5, 2.0, 63.5, 1e5]
STRANGE_INTEGERS = [0, 1, -1, 2, 3, 7, 64, 255, 2**31 - 1, 2**31, -(2**31), 2**32, 2**60, 2**63 - 1, -(2**63)]
LENGTHS = [0, 7, 8, 2**20, 2**40, 2**63, 2**64 - 8, 2**64 - 1]
STRANGE_WORDS = ["", "0", "1", "7", "-1", "99999999999", "x", "bispectrum", "points"]
STRANGE_BYTES = list(b'{}[]",:0123456789\\ueE-.\x00\xff')
NO_CHECKSUM = "0" * 8


class Container:
    """A file taken apart: metadata, and arrays by name."""

    def __init__(self, contents: bytes):
        n = struct.unpack("<Q", contents[:8])[0]
        header = json.loads(contents[8 : 8 + n])
        self.metadata = header.pop("__metadata__")
        self.arrays = {}
        for name, entry in header.items():
            begin, end = (8 + n + at for at in entry["data_offsets"])
            kind = {"F64": np.float64, "I64": np.int64}[entry["dtype"]]
            self.arrays[name] = np.frombuffer(contents[begin:end], kind).reshape(entry["shape"]).copy()

    def header(self) -> tuple[dict, bytes]:
        entries, at, parts = {}, 0, []
        for name, values in self.arrays.items():
            data = values.tobytes()
            dtype = "F64" if values.dtype == np.float64 else "I64"
            entries[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [at, at + len(data)]}
            at += len(data)
            parts.append(data)
        return {"__metadata__": self.metadata | {"checksum": NO_CHECKSUM}, **entries}, b"".join(parts)


def sealed(header: dict | bytes, data: bytes) -> bytes:
    """A file with the right checksum, whatever is in it."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    contents = struct.pack("<Q", len(text)) + text + data
    key = b'"checksum":"' + NO_CHECKSUM.encode()
    return contents.replace(key, b'"checksum":"%08x' % zlib.crc32(contents), 1)


def raw(rng: np.random.Generator, contents: bytes) -> bytes:
    """Damage that the checksum must find."""
    which = rng.integers(5)
    if which == 0:
        return contents[: rng.integers(len(contents))]
    spoiled = bytearray(contents)
    if which == 1:
        return bytes(spoiled) + rng.bytes(int(rng.integers(1, 40)))
    if which == 2:
        struct.pack_into("<Q", spoiled, 0, LENGTHS[rng.integers(len(LENGTHS))])
        return bytes(spoiled)
    area = min(len(spoiled), 4000) if which == 3 else len(spoiled)
    for _ in range(rng.integers(1, 4)):
        at = rng.integers(area)
        spoiled[at] ^= 1 << rng.integers(8)
    return bytes(spoiled) if bytes(spoiled) != contents else contents[:-1]


def spoiled_array(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    which = rng.integers(6)
    values = values.copy()
    if which <= 1 and values.size:
        strange = STRANGE if values.dtype == np.float64 else STRANGE_INTEGERS
        flat = values.reshape(-1)
        for at in rng.integers(flat.size, size=rng.integers(1, 3)):
            flat[at] = strange[rng.integers(len(strange))]
        return values
    if which == 2 and values.size:
        flat = values.reshape(-1)
        at = rng.integers(flat.size)
        flat[at] = flat[at] + rng.choice([-1, 1]) if values.dtype == np.int64 else flat[at] * rng.normal()
        return values
    if which == 3 and values.ndim:
        axis = rng.integers(values.ndim)
        return np.delete(values, -1, axis) if values.shape[axis] else values
    if which == 4 and values.ndim:
        axis = rng.integers(values.ndim)
        return np.concatenate([values, values.take([0] if values.shape[axis] else [], axis)], axis)
    return [values.reshape(-1), values[None], values.astype(np.int64 if values.dtype == np.float64 else np.float64)][
        rng.integers(3)
    ]


def deep(rng: np.random.Generator, contents: bytes) -> bytes:
    """A file that is whole as a container, and wrong inside."""
    file = Container(contents)
    names = list(file.arrays)
    which, name = rng.integers(8), names[rng.integers(len(names))]
    if which <= 3:
        with np.errstate(all="ignore"):
            file.arrays[name] = spoiled_array(rng, file.arrays[name])
    elif which == 4:
        values = file.arrays.pop(name)
        parts = name.split(".")
        parts[rng.integers(len(parts))] = str(
            rng.choice(["", "0", "1", "7", "-1", "99999999999", "x", "bispectrum", "points"])
        )
        if rng.integers(2):
            file.arrays[".".join(parts)] = values
    elif which == 5:
        key = str(rng.choice(["elements", "version", "format", "summary"]))
        file.metadata[key] = str(rng.choice(["", " ", "H", "H C O Si", "H  C", "h c o", "1 2 3", "X" * 400, "é", "2"]))
    header, data = file.header()
    if which == 6:
        entry = header[name]
        field = str(rng.choice(["shape", "data_offsets"]))
        if entry[field]:
            number = STRANGE_INTEGERS[rng.integers(len(STRANGE_INTEGERS))]
            entry[field][rng.integers(len(entry[field]))] = abs(number)
    if which == 7:
        text = bytearray(json.dumps(header, separators=(",", ":")).encode())
        at = rng.integers(len(text))
        text[at : at + rng.integers(2)] = bytes(rng.choice(STRANGE_BYTES, size=rng.integers(1, 3)).tolist())
        return sealed(bytes(text), data)
    return sealed(header, data)


class Stars(ctypes.Structure):
    _fields_ = [("n_atoms", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("first", "r_ij", "neighbor", "species")]


class Opener:
    """The C ABI, and a few atoms to evaluate."""

    def __init__(self, path: str):
        self.library = ctypes.CDLL(path)
        self.library.cambrian_deployed_open.restype = ctypes.c_void_p
        self.library.cambrian_deployed_open.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]
        self.library.cambrian_deployed_close.argtypes = [ctypes.c_void_p]
        for name in ("n_elements", "n_members", "has_grade"):
            getattr(self.library, f"cambrian_deployed_{name}").argtypes = [ctypes.c_void_p]
        pointers = [ctypes.c_void_p] * 5
        evaluate = [ctypes.c_void_p, ctypes.c_int, *pointers[:4], ctypes.c_char_p, ctypes.c_int64]
        self.library.cambrian_deployed_evaluate.argtypes = evaluate
        rng = np.random.default_rng(0)
        counts = [6, 0, 9, 5]
        self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.r_ij = rng.normal(size=(sum(counts), 3)) * 1.6
        self.neighbor = rng.integers(12, size=sum(counts)).astype(np.int64)

    def open(self, path: Path) -> bool:
        """Whether it opens; what opens is evaluated."""
        message = ctypes.create_string_buffer(512)
        handle = self.library.cambrian_deployed_open(str(path).encode(), message, 512)
        if not handle:
            assert b"deploy it again" in message.value, message.value
            return False
        n_elements = self.library.cambrian_deployed_n_elements(handle)
        species = (np.arange(12) % n_elements).astype(np.int64)
        arrays = self.first, self.r_ij, self.neighbor, species
        stars = Stars(4, *(a.ctypes.data for a in arrays))
        energies, pull, grade = np.empty(4), np.empty(self.r_ij.shape), np.empty(4)
        for member in range(self.library.cambrian_deployed_n_members(handle)):
            outputs = [a.ctypes.data for a in (energies, pull, grade)]
            status = self.library.cambrian_deployed_evaluate(
                handle, member, ctypes.byref(stars), *outputs, message, 512
            )
            assert 0 <= status <= 3
        self.library.cambrian_deployed_close(handle)
        return True


def main(library: str, n: int, *files: str) -> None:
    """Half of the damage is left to the checksum, half lies deeper."""
    opener, found = Opener(library), {"raw": 0, "deep": 0, "opened": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoiled.cambrian"
        for k, name in enumerate(files):
            contents = Path(name).read_bytes()
            assert opener.open(Path(name)), name
            path.write_bytes(sealed(*Container(contents).header()))
            assert opener.open(path), f"{name} sealed again"
            rng = np.random.default_rng(k)
            for _ in range(n // len(files) // 2):
                path.write_bytes(raw(rng, contents))
                assert not opener.open(path), "damage went unnoticed"
                found["raw"] += 1
                path.write_bytes(deep(rng, contents))
                found["opened"] += opener.open(path)
                found["deep"] += 1
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
