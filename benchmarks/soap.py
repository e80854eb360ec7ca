"""SOAP with gradients: Cambrian's loops, featomic and DScribe on the same crystal, in one run.

    python benchmarks/soap.py [--repeats 5] [--cells 3] [--n-max 8] [--l-max 6] [--cutoff 6.0]

Silicon, rattled, 216 atoms by default. Medians in µs per atom. The three differ in their radial functions and cutoffs
(DScribe: Gaussian orbitals without cutoff function; featomic: its own Gaussian orbitals, shifted cosine), not in what
is computed: power spectra, and their derivatives by the positions of all neighbors. `pull` is what dynamics needs: the
sums over neighbors and the reverse sweep. DScribe has analytical derivatives of free clusters only, so that it gets the
same atoms with fewer neighbors. Peers that are not installed are left out. Processor time of one thread (set
OMP_NUM_THREADS=1 and RAYON_NUM_THREADS=1), which a busy machine distorts less than elapsed time.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
import torch
from ase.build import bulk

from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.graph import graph_of


def median_time(call, repeats: int, n_atoms: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e6 * statistics.median(times) / n_atoms


def cambrian_calls(atoms, options) -> dict:
    descriptor = SOAP(cutoff=options.cutoff, n_max=options.n_max, l_max=options.l_max, width=0.5)
    descriptor.setup(Dataset([Structure(atoms)]))
    graph, kernel = graph_of(atoms, options.cutoff), descriptor.kernel()
    calls = {"torch, features": lambda: descriptor.features(graph)}
    if kernel is not None:
        slopes = torch.ones(len(atoms), descriptor.n_features, dtype=torch.float64)
        calls |= {
            "kernel, features": lambda: kernel.features(graph),
            "kernel, pull": lambda: kernel.pull(graph, slopes),
            "kernel, jacobian": lambda: kernel.jacobian(graph),
        }
    return calls


def featomic_call(atoms, options):
    from featomic import SoapPowerSpectrum

    calculator = SoapPowerSpectrum(
        cutoff={"radius": options.cutoff, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": 0.5},
        basis={
            "type": "TensorProduct",
            "max_angular": options.l_max,
            "radial": {"type": "Gto", "max_radial": options.n_max - 1},
        },
    )
    return lambda: calculator.compute(atoms, gradients=["positions"])


def dscribe_call(atoms, options):
    from dscribe.descriptors import SOAP as Peer

    how = {"r_cut": options.cutoff, "n_max": options.n_max, "l_max": options.l_max, "sigma": 0.5}
    peer, free = Peer(species=["Si"], periodic=False, rbf="gto", **how), atoms.copy()
    free.pbc = False
    return lambda: peer.derivatives(free, method="analytical", return_descriptor=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cells", type=int, default=3)
    parser.add_argument("--n-max", type=int, default=8)
    parser.add_argument("--l-max", type=int, default=6)
    parser.add_argument("--cutoff", type=float, default=6.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    atoms = bulk("Si", cubic=True).repeat(options.cells)
    atoms.positions += np.random.default_rng(0).normal(0, 0.05, atoms.positions.shape)
    print(f"{len(atoms)} atoms, n_max {options.n_max}, l_max {options.l_max}, {options.cutoff} Å", flush=True)
    makers = {name: lambda call=call: call for name, call in cambrian_calls(atoms, options).items()}
    makers |= {
        "featomic, gradients": lambda: featomic_call(atoms, options),
        "DScribe, free cluster": lambda: dscribe_call(atoms, options),
    }
    for name, make in makers.items():
        try:
            value = median_time(make(), options.repeats, len(atoms))
        except ImportError as error:
            print(f"{name}: {error}")
        else:
            print(f"{name:22s} {value:10.1f} µs/atom", flush=True)


if __name__ == "__main__":
    main()
