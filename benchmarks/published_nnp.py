"""The published Si and Li network potentials (n2p2 files) on the published test sets, by our ACSF and networks.

    python benchmarks/published_nnp.py ../shared/data/mlearn

Zuo et al., J. Phys. Chem. A 124, 731 (2020). n2p2 gives Si 5.63 meV/atom and 0.109 eV/Å, Li 0.75 and 0.0168 (MAE):
the same figures here show that `Listed` functions and `NeuralRegressor` carry such potentials exactly. The files are in
bohr and Hartree.
"""

import sys
from pathlib import Path

import torch

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.compose import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.data import read
from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.elements import number
from cambrian.fit.fit import assess
from cambrian.regressors.neural import NeuralRegressor
from cambrian.units import BOHR, HARTREE


def functions_of(lines: list[list[str]]) -> list[dict]:
    """Symmetry functions in n2p2's own order: by type, cutoff, η, r_s, then ζ and λ."""
    rows = []
    for kind, *rest in (line[2:] for line in lines):
        n_neighbors = 1 if kind == "2" else 2
        neighbors, values = "-".join(rest[:n_neighbors]), [float(v) for v in rest[n_neighbors:]]
        if kind == "2":
            (eta, shift, cutoff), lam, zeta = values, 0.0, 0.0
        else:
            (eta, lam, zeta, cutoff, shift) = [*values, 0.0][:5]
        rows.append((int(kind), cutoff, eta, shift, zeta, lam, neighbors))
    kinds = {2: "radial", 3: "narrow", 9: "wide"}
    return [
        {
            "kind": kinds[kind],
            "neighbors": neighbors,
            "eta": eta / BOHR**2,
            "shift": shift * BOHR,
            "cutoff": cutoff * BOHR,
            "zeta": zeta,
            "lambda": lam,
        }
        for kind, cutoff, eta, shift, zeta, lam, neighbors in sorted(rows)
    ]


def potential_of(folder: Path) -> Potential:
    """The potential of one element from input.nn, scaling.data and weights.ZZZ.data."""
    lines = [line.split("#")[0].split() for line in (folder / "input.nn").read_text().splitlines()]
    settings = {words[0]: words[1:] for words in lines if words}
    (element,) = settings["elements"]
    z, energy = number(element), HARTREE * float(settings["atom_energy"][1])
    table = functions_of([words for words in lines if words and words[0] == "symfunction_short"])
    hidden = tuple(int(n) for n in settings["global_nodes_short"])
    regressor = NeuralRegressor(hidden=hidden, activation="tanh", energy_scale=HARTREE)
    regressor.setup(torch.zeros(1, len(table), dtype=torch.float64), torch.zeros(1, dtype=torch.int64), 1)
    fill(regressor, folder, z)
    descriptor = ACSF(cutoff=max(row["cutoff"] for row in table), functions=[Listed({element: table})])
    descriptor.elements = torch.tensor([z])
    network = DescriptorPotential(descriptor, regressor)
    network.elements = torch.tensor([z])
    return IsolatedAtoms({element: energy}) + network


def fill(regressor: NeuralRegressor, folder: Path, z: int) -> None:
    """Put scales and weights of one element into a regressor."""
    rows = [line.split() for line in (folder / "scaling.data").read_text().splitlines() if not line.startswith("#")]
    low, high = torch.tensor([[float(r[2]), float(r[3])] for r in rows if len(r) >= 5], dtype=torch.float64).T
    regressor.center, regressor.transform = low[None], torch.diag(1 / (high - low))[None]
    text = (folder / f"weights.{z:03d}.data").read_text().splitlines()
    values = torch.tensor([float(line.split()[0]) for line in text if not line.startswith("#")], dtype=torch.float64)
    with torch.no_grad():
        for layer in regressor.layers:
            for parameter in (layer.weight, layer.bias):
                parameter.copy_(values[: parameter.numel()].reshape(parameter.shape))
                values = values[parameter.numel() :]
    assert len(values) == 0, "the weights do not fit the network"


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/mlearn")
    print("                 energy MAE (meV/atom)    force MAE (eV/Å)")
    for element in ("Si", "Li"):
        potential = potential_of(data / "published-potentials" / element / "nnp")
        figures = assess(potential, read(data / f"{element}_test.extxyz")).errors.figures()
        print(f"{element} published NNP {1e3 * figures['energy_mae']:15.2f} {figures['force_mae']:22.4f}", flush=True)


if __name__ == "__main__":
    main()
