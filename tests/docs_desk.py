"""The files that the pages of the documentation speak of, small ones."""

import json
from pathlib import Path

from ase.io import write
from safetensors import safe_open
from safetensors.torch import save_file
from small_data import argon, copper

KCAL = 23.060547830619  # kcal/mol in an eV


def lay_out(desk: Path) -> None:
    """Good and bad structure files."""
    for name, frames in {"data.xyz": argon(24), "test.xyz": argon(8, seed=7), "start.xyz": argon(1, seed=3)}.items():
        write(desk / name, frames, format="extxyz")
    (desk / "empty.xyz").touch()
    for name, change in {
        "no-energies.xyz": _without_labels,
        "nan.xyz": lambda a: a.calc.results["forces"].__setitem__((2, 1), float("nan")),
        "close.xyz": lambda a: a.positions.__setitem__(3, a.positions[1]),
        "flat.xyz": lambda a: a.cell.__setitem__(2, a.cell[1]),
        "krypton.xyz": lambda a: a.numbers.__setitem__(0, 36),
    }.items():
        frames = argon(8)
        for atoms in frames if name == "no-energies.xyz" else frames[5:6]:
            change(atoms)
        write(desk / name, frames, format="extxyz")
    everything = {"energy": KCAL, "forces": KCAL, "stress": KCAL}
    write(desk / "kcal.xyz", copper(factors=everything), format="extxyz")
    write(desk / "wrong-sign.xyz", copper(factors={"stress": -1.0}), format="extxyz")
    (desk / "file").touch()


def damage(desk: Path) -> None:
    """Broken copies of fit/potential.safetensors."""
    whole = desk / "fit" / "potential.safetensors"
    (desk / "truncated.safetensors").write_bytes(whole.read_bytes()[:-40])
    with safe_open(whole, framework="pt") as file:
        header = json.loads(file.metadata()["cambrian"]) | {"format_version": 99}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    save_file(tensors, desk / "newer.safetensors", metadata={"cambrian": json.dumps(header)})


def _without_labels(atoms) -> None:
    atoms.calc = None
