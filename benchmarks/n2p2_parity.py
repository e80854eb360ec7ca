"""Imported potentials of n2p2 against n2p2 itself: energies and forces of the same structures, digit by digit.

    python benchmarks/n2p2_parity.py ../shared/data/n2p2-reference --nnp-predict PATH
    python benchmarks/n2p2_parity.py --record tests/deploy/n2p2_predictions.json --nnp-predict PATH

The first runs every folder with weights on the first structure of its input.data; numbers that the data state come
first, `nnp-predict` (n2p2, built from its sources) is asked for all, and asked again for the folder as `deploy` writes
it after the import, in other units. The second makes the fixture of the tests: one small structure and network with all
types of symmetry functions under all cutoff functions, scalings and activations.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.data import read, write
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.deploy.n2p2 import deploy
from cambrian.deploy.n2p2_import import import_n2p2

FUNCTIONS = """
2 {a} 0.05 0.0 7.0 | 2 {b} 0.3 1.5 6.0 | 2 {c} 1.2 2.0 5.0
3 {a} {b} 0.02 -1.0 1.0 7.0 | 3 {b} {b} 0.05 1.0 4.0 6.0 0.7 | 3 {c} {a} 0.1 1.0 1.5 5.0
9 {a} {a} 0.02 1.0 2.0 7.0 | 9 {b} {c} 0.05 -1.0 16.0 6.0 1.1 | 9 {c} {c} 0.1 -1.0 2.3 5.0
12 0.1 1.0 7.0 | 12 0.7 2.1 5.0
20 {a} 1.0 6.0 p2 | 20 {b} -7.0 7.0 p3a | 20 {c} 0.5 5.0 e
21 {a} {b} -5.0 5.0 40.0 140.0 p1 | 21 {c} {c} 0.5 6.0 -90.0 90.0 p2a
22 {b} {b} -6.0 6.0 60.0 180.0 p4 | 22 {a} {c} 1.0 6.5 90.0 270.0 p1a
23 0.0 7.0 p4a | 23 1.0 5.0 p1 | 24 -6.0 6.0 0.0 120.0 e | 24 0.5 6.0 100.0 260.0 p3
25 -6.0 6.0 -180.0 180.0 p2 | 25 1.0 7.0 30.0 90.0 p4a
"""
WEIGHTED = """
13 0.02 0.4 -1.0 2.0 6.0 | 13 0.3 0.0 1.0 1.0 5.0 | 13 0.1 1.2 1.0 3.5 7.0 | 12 0.2 0.0 7.0
20 {a} 0.5 7.0 p1 | 23 0.5 6.5 e | 24 0.5 6.0 100.0 260.0 p3
"""  # apart: n2p2 breaks off with type 13 beside types 2, 3 and 9
ELEMENTS = ("H", "C", "O")
SCALINGS = [
    [],
    ["scale_symmetry_functions"],
    ["center_symmetry_functions"],
    ["scale_symmetry_functions", "center_symmetry_functions", "scale_min_short -1.0", "scale_max_short 2.0"],
    ["scale_symmetry_functions_sigma", "scale_max_short 1.5"],
]
LETTERS = "tspgcSehrl"
NORMALIZATION = ["mean_energy -1.7", "conv_energy 3.1", "conv_length 2.3"]


def synthetic_parts(texts: str, seed: int) -> dict:
    """Symmetry functions in no order, and statistics and weights of networks with 4 and 3 hidden nodes."""
    generator = np.random.default_rng(seed)
    functions, statistics, weights = [], [], {}
    for k, center in enumerate(ELEMENTS):
        a, b, c = (ELEMENTS[(k + j) % 3] for j in range(3))
        found = [t.strip() for t in texts.format(a=a, b=b, c=c).replace("\n", "|").split("|") if t.strip()]
        functions += [f"symfunction_short {center} {t}" for t in found[: len(found) - k]]
        count = len(found) - k
        for j in range(count):
            low, high = -generator.random(), 1 + 3 * generator.random()
            mean, deviation = low + (high - low) * generator.random(), 0.3 + generator.random()
            statistics.append([k + 1, j + 1, low, high, mean, deviation])
        weights[center] = (0.2 * generator.uniform(-1, 1, (count + 1) * 4 + 5 * 3 + 4)).tolist()
    order = generator.permutation(len(functions))
    return {"functions": [functions[k] for k in order], "statistics": statistics, "weights": weights}


def spread_atoms(seed: int) -> Atoms:
    """Twelve atoms about a corner of a skewed cell, none too close to another.

    The cell is as long as two cutoffs: where an atom sees several images of another, the forces of n2p2 are not the
    gradient of its energy.
    """
    generator = np.random.default_rng(seed)
    cell = np.array([[14.5, 0.6, 0.0], [-1.6, 14.2, 0.8], [1.0, 1.8, 15.0]])
    while True:
        atoms = Atoms("H4C4O4", scaled_positions=0.5 * generator.random((12, 3)) - 0.2, cell=cell, pbc=True)
        atoms.wrap()
        if atoms.get_all_distances(mic=True)[np.triu_indices(12, 1)].min() > 1.7:
            return atoms


def cases() -> list[list[str]]:
    """Settings that differ from one case to the next: every cutoff function, scaling and activation."""
    found = []
    for kind in range(9):
        letters = f"{LETTERS[kind]} {LETTERS[(kind + 3) % 10]} l"
        found.append([f"cutoff_type {kind} {0.3 if kind % 2 else 0.0}", *SCALINGS[kind % 5]])
        found[-1].append(f"global_activation_short {letters}")
    found.append(["cutoff_type 6 0.1", *SCALINGS[1], "global_activation_short l t s", "normalize_nodes"])
    found.append(["cutoff_type 2", *SCALINGS[4], "global_activation_short t p l", *NORMALIZATION, "normalize_nodes"])
    found.append(["cutoff_type 1", *SCALINGS[3], "global_activation_short t t l", *NORMALIZATION])
    found[-1].append("element_activation_short C p g l")
    return found


def write_synthetic(folder: Path, parts: dict, structure: dict, settings: list[str]) -> None:
    """The files of one case."""
    lines = [
        "number_of_elements 3",
        "elements O H C",
        "atom_energy H -0.5",
        "atom_energy O -75.0",
        "atom_energy C -37.5",
    ]
    lines += ["global_hidden_layers_short 2", "global_nodes_short 4 3", *settings, *parts["functions"]]
    (folder / "input.nn").write_text("\n".join(lines) + "\n")
    (folder / "scaling.data").write_text("".join(" ".join(map(repr, row)) + "\n" for row in parts["statistics"]))
    for e, z in zip(ELEMENTS, (1, 6, 8), strict=True):
        text = "".join(f"{w!r}\n" for w in parts["weights"][e])
        (folder / f"weights.{z:03d}.data").write_text(text)
    block = ["begin", *("lattice " + " ".join(map(repr, v)) for v in structure["cell"])]
    for symbol, r in zip(structure["symbols"], structure["positions"], strict=True):
        block.append(f"atom {' '.join(map(repr, r))} {symbol} 0.0 0.0 0.0 0.0 0.0")
    (folder / "input.data").write_text("\n".join([*block, "energy 0.0", "charge 0.0", "end"]) + "\n")


def by_n2p2(folder: Path, program: str, data: Path) -> tuple[float, np.ndarray]:
    """Energy and forces of the first structure from `nnp-predict`, in the units of the files."""
    with tempfile.TemporaryDirectory() as place:
        for file in [*folder.glob("*.nn"), *folder.glob("*.data")]:
            shutil.copy(file, place)
        shutil.copy(data, Path(place) / "input.data")
        done = subprocess.run([program, "0"], cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{folder}: nnp-predict failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        energy = float(np.loadtxt(Path(place) / "energy.out")[3])
        return energy, np.loadtxt(Path(place) / "nnforces.out")[:, 5:8]


def by_us(folder: Path, units: str, data: Path) -> tuple[float, np.ndarray]:
    """The same from the imported potential."""
    unit, atoms = UnitSystem.parse(units), next(iter(read(data, units=units))).atoms.copy()
    atoms.calc = Calculator(import_n2p2(folder, units=units))
    return atoms.get_potential_energy() / unit.energy, atoms.get_forces() * unit.length / unit.energy


def written_back(folder: Path, units: str, program: str, data: Path) -> tuple[float, np.ndarray]:
    """What nnp-predict makes of the imported potential written out again in the other units, in those of the files."""
    unit, others = UnitSystem.parse(units), "eV, Å" if units.startswith("H") else "Hartree, bohr"
    other = UnitSystem.parse(others)
    with tempfile.TemporaryDirectory() as place:
        deploy(import_n2p2(folder, units=units), place, units=others)
        first = next(iter(read(data, units=units)))
        write(Path(place) / "structure.data", [Structure(first.atoms, energy=0.0)], format="n2p2", units=others)
        energy, forces = by_n2p2(Path(place), program, Path(place) / "structure.data")
    factor = other.energy / unit.energy
    return energy * factor, forces * factor * unit.length / other.length


def folders_of(place: Path) -> list[Path]:
    """Folders with an input.nn and weights, fourth-generation ones left out."""
    found = sorted({path.parent for path in place.rglob("weights.*.data")})
    return [f for f in found if not list(f.glob("weightse.*")) and (f / "input.nn").exists()]


def data_of(folder: Path, place: Path) -> Path:
    """The structures of a folder, or of its example, or of the same substance."""
    for own in (folder / "input.data", folder.parent / "input.data"):
        if own.exists():
            return own
    return place / "nnp-dataset" / ("Cu2S_PBE" if "Cu2S" in str(folder) else "H2O_RPBE-D3") / "input.data"


def compare(place: Path, program: str | None) -> None:
    """A line for each folder."""
    stated = json.loads((place / "reference-predictions.json").read_text())["predictions"]
    print(f"{'folder':40} {'reference':12} {'atoms':>6} {'energy':>12} {'error':>9} {'force error':>12}")
    for folder in folders_of(place):
        name, data = str(folder.relative_to(place)), data_of(folder, place)
        if not program and not name.startswith("nnp-predict"):
            continue  # nothing to compare with
        units = "eV, Å" if "Cu2S" in name or "LJ" in name else "Hartree, bohr"
        energy, forces = by_us(folder, units, data)
        references = {"stated": stated[folder.name]} if name.startswith("nnp-predict") else {}
        if program:
            references["nnp-predict"] = dict(zip(("energy", "forces"), by_n2p2(folder, program, data), strict=True))
            back = written_back(folder, units, program, data)
            references["deployed"] = dict(zip(("energy", "forces"), back, strict=True))
        for source, values in references.items():
            off = abs(forces - np.array(values["forces"])).max()
            difference = energy - values["energy"]
            print(f"{name:40} {source:12} {len(forces):6d} {energy:12.4f} {difference:9.1e} {off:12.1e}", flush=True)


def record(path: Path, program: str) -> None:
    """Write the fixture: what n2p2 gives for every case."""
    atoms, made = spread_atoms(seed=3), []
    structure = {"cell": atoms.cell.array.tolist(), "positions": atoms.positions.tolist()}
    structure["symbols"] = atoms.get_chemical_symbols()
    sets = {"all": synthetic_parts(FUNCTIONS, seed=1), "weighted": synthetic_parts(WEIGHTED, seed=2)}
    for name, settings in [*(("all", case) for case in cases()), *(("weighted", case) for case in cases()[1::4])]:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_synthetic(folder, sets[name], structure, settings)
            energy, forces = by_n2p2(folder, program, folder / "input.data")
            mine, own_forces = by_us(folder, "Hartree, bohr", folder / "input.data")
        off = abs(own_forces - forces).max()
        print(f"{name:8} {'; '.join(settings)[:90]:90} {energy:12.6f} {mine - energy:9.1e} {off:9.1e}", flush=True)
        made.append({"functions": name, "settings": settings, "energy": energy, "forces": forces.tolist()})
    note = "energies and forces by nnp-predict of n2p2 61daa0df in Hartree and bohr, see benchmarks/n2p2_parity.py"
    path.write_text(json.dumps({"note": note, "structure": structure, "sets": sets, "cases": made}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data/n2p2-reference"))
    parser.add_argument("--nnp-predict", help="the program, to compare where no numbers are stated")
    parser.add_argument("--record", type=Path, help="write the fixture of the tests here")
    given = parser.parse_args()
    if given.record:
        record(given.record, given.nnp_predict or "nnp-predict")
    else:
        compare(given.data, given.nnp_predict)


if __name__ == "__main__":
    main()
