"""The same sparse Gaussian process here and by `gap_fit`: energies, forces and virials of silicon, pairs, equal points.

    python benchmarks/gap_equal.py --peer PATH/bin/python [--data ../shared/data/mlearn]

The peer is a Python that has `pip install quippy-ase`. Its sparse points are read from its files and taken over; its
`distance_2b` counts every pair twice, so that its δ is half of ours. Points are few and the length short: then what is
added to the diagonal (there to a kernel that fades with the points, here to one that does not) is no matter. Printed:
largest differences on structures that neither saw.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from gap_speed import DATA, SIGMAS, write_labelled

from cambrian import fit, read
from cambrian.calculator import Calculator
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.fit.fit import WarmStart
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.math.envelopes import CosineEnvelope
from cambrian.networks.two_body_kernel import TwoBodyKernel

PREDICT = """
import json
from ase.io import read
from quippy.potential import Potential
potential, found = Potential("", param_filename="gp.xml"), []
for atoms in read("test.xyz", ":"):
    atoms.calc = potential
    found.append([atoms.get_potential_energy(), atoms.get_forces().tolist(), atoms.get_stress(voigt=False).tolist()])
json.dump(found, open("found.json", "w"))
"""


def by_the_peer(peer: str, train, held) -> tuple[np.ndarray, list]:
    """Its sparse points, and energy, forces and stress of the held-out structures."""
    kernel = (
        "distance_2b cutoff=5.0 cutoff_transition_width=2.5 covariance_type=ard_se delta=1.0 theta_uniform=0.4 "
        "sparse_method=uniform n_sparse=8 add_species=T"
    )
    labels = [f"{name}_parameter_name={name}_ref" for name in ("energy", "force", "virial")]
    sigmas = f"default_sigma={{{' '.join(map(str, SIGMAS))} 0.0}}"
    words = ["at_file=train.xyz", f"gap={{{kernel}}}", "e0={Si:-5.0}", sigmas, *labels, "sparse_jitter=1e-12"]
    words += ["do_copy_at_file=F", "sparse_separate_file=T", "gp_file=gp.xml"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_labelled(folder / "train.xyz", train)
        write_labelled(folder / "test.xyz", held)
        for command in ([str(Path(peer).parent / "gap_fit"), *words], [peer, "-c", PREDICT]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        points = np.sort(np.loadtxt(next(folder.glob("gp.xml.sparseX*"))))
        return points, json.loads((folder / "found.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="a Python with quippy-ase")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    whole = read(options.data / "Si_training.extxyz")
    train, held = whole[::10], whole[5::20]
    points, found = by_the_peer(options.peer, train, held)
    envelope = CosineEnvelope(inner_fraction=0.5)
    pairs = TwoBodyKernel(cutoff=5.0, n_points=8, length=0.4, delta=2.0, envelope=envelope, jitter=1e-12)
    potential = IsolatedAtoms({"Si": -5.0}) + pairs
    potential.setup(train)
    pairs.points = torch.from_numpy(points)[None]
    energy, force, virial = SIGMAS
    solver = GaussianProcess(energy_sigma=energy, force_sigma=force, virial_sigma=virial)
    fitted = fit(potential, train, solver, warm=WarmStart()).potential
    worst = np.zeros((2, 3))
    for s, theirs in zip(held, found, strict=True):
        atoms = s.atoms.copy()
        atoms.calc = Calculator(fitted)
        mine = [atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)]
        for k, (one, two) in enumerate(zip(mine, theirs, strict=True)):
            size = len(atoms) if k == 0 else 1
            difference = np.abs(np.array(one) - np.array(two)).max() / size
            worst[:, k] = np.maximum(worst[:, k], [difference, np.abs(np.array(two)).max() / size])
    for name, difference, largest in zip(("energy, eV/atom", "force, eV/Å", "stress, eV/Å³"), *worst, strict=True):
        print(f"{name:16s} differs by {difference:.1e} of {largest:.3g}")


if __name__ == "__main__":
    main()
