"""Symmetry functions beside n2p2: the statistics over a data set that it keeps in scaling.data, 17 digits each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.graph import graph_of
from cambrian.math.envelopes import CosineEnvelope, PolynomialEnvelope, TanhCubeEnvelope

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "n2p2-reference" / "nnp-train"
KINDS = {"2": "radial", "3": "narrow", "9": "wide"}
ENVELOPES = {"1": CosineEnvelope(), "2": TanhCubeEnvelope(), "6": PolynomialEnvelope(order=2)}


def structures(path: Path) -> list[Atoms]:
    """Blocks of input.data; numbers as they are, whatever their unit."""
    found = []
    for block in path.read_text().split("begin")[1:]:
        words = [line.split() for line in block.splitlines() if line.split()]
        atoms = [w for w in words if w[0] == "atom"]
        cell = [[float(x) for x in w[1:4]] for w in words if w[0] == "lattice"]
        positions = [[float(x) for x in w[1:4]] for w in atoms]
        found.append(Atoms([w[4] for w in atoms], positions=positions, cell=cell or None, pbc=bool(cell)))
    return found


def rows_of(line: str) -> tuple[str, dict]:
    """The central element and the row of one symfunction line."""
    _, center, number, *words = line.split("#")[0].split()
    if number == "2":
        neighbor, eta, shift, cutoff = words[:4]
        row = {"neighbors": neighbor}
    else:
        first, second, eta, sign, zeta, cutoff, *rest = words
        shift = rest[0] if rest else "0.0"
        row = {"neighbors": f"{first}-{second}", "zeta": float(zeta), "lambda": float(sign)}
    numbers = {"eta": float(eta), "shift": float(shift), "cutoff": float(cutoff)}
    return center, {"kind": KINDS[number], **row, **numbers}


def in_order(row: dict) -> tuple:
    """n2p2 sorts the functions of an element by type, cutoff, η, r_s, then ζ, λ, and the elements of the neighbors."""
    numbers = sorted(Atoms([s]).numbers[0] for s in row["neighbors"].split("-"))
    kind = list(KINDS.values()).index(row["kind"])
    return kind, row["cutoff"], row["eta"], row["shift"], row.get("zeta", 0.0), row.get("lambda", 0.0), numbers


@pytest.mark.parametrize("name", ["LJ", "Cu2S_PBE"])
def test_statistics_equal_those_of_n2p2(name):
    folder = EXAMPLES / name
    if not folder.exists():
        pytest.skip("n2p2's examples are not here")
    lines = (folder / "input.nn").read_text().splitlines()
    table: dict[str, list[dict]] = {}
    for line in lines:
        if line.startswith("symfunction"):
            center, row = rows_of(line)
            table.setdefault(center, []).append(row)
    table = {center: sorted(rows, key=in_order) for center, rows in table.items()}
    envelope = ENVELOPES[next(line.split()[1] for line in lines if line.startswith("cutoff_type"))]
    cutoff = max(row["cutoff"] for rows in table.values() for row in rows)

    descriptor = ACSF(cutoff=cutoff, functions=[Listed(table)], envelope=envelope)
    elements = sorted(Atoms([s]).numbers[0] for s in table)
    descriptor.elements = torch.tensor(elements)
    frames = structures(folder / "input.data")
    features = torch.cat([descriptor.features(graph_of(atoms, cutoff)) for atoms in frames]).numpy()
    numbers = np.concatenate([atoms.numbers for atoms in frames])

    printed = np.loadtxt(folder / "scaling.data")
    for k, z in enumerate(elements):
        expected = printed[printed[:, 0] == k + 1]
        own = features[numbers == z, : len(expected)]
        found = np.stack([own.min(axis=0), own.max(axis=0), own.mean(axis=0), own.std(axis=0, ddof=1)], axis=1)
        np.testing.assert_allclose(found, expected[:, 2:], rtol=1e-9, atol=1e-14)
