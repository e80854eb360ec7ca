"""What the contract tests run on: every potential of the catalogue, every descriptor with every regressor, the cases.

Each subject is built once, set up on a small dataset where it needs one, with parameters that are not all zero.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from cambrian.contracts import Committee, Descriptor, DescriptorPotential, Frozen, Potential, Regressor
from cambrian.contracts.catalogue import classes, from_file
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import Graph, batch, graph_of

CASES = Path(__file__).parent / "cases"
OWN = {
    name: from_file(f"{CASES / file}.py:{name}")
    for file, name in [
        ("equilibrated_charges", "EquilibratedCharges"),
        ("ewald", "Ewald"),
        ("kernel_regressor", "KernelRegressor"),
        ("pair_kernel", "PairKernel"),
        ("ragged_histogram", "RaggedHistogram"),
        ("restrained", "Restrained"),
        ("two_layers", "TwoLayers"),
    ]
}
ELEMENTS = np.array([1, 6, 8])


@dataclass(frozen=True)
class Subject:
    """A potential that is ready, and structures that suit it."""

    potential: Potential
    atoms: tuple[Atoms, ...]

    @property
    def periodic(self) -> list[Atoms]:
        return [a for a in self.atoms if a.pbc.all()]


def spread_out(rng: np.random.Generator, n: int, cell: np.ndarray, pbc: bool) -> Atoms:
    """Atoms of H, C and O at random places, no two nearer than 1.05 Å."""
    atoms = Atoms(cell=cell, pbc=pbc)
    while len(atoms) < n:
        tried = atoms + Atoms([ELEMENTS[len(atoms) % 3]], positions=[rng.uniform(size=3) @ cell])
        distances = tried.get_all_distances(mic=pbc)[-1, :-1]
        if distances.min(initial=9.0) > 1.05:
            atoms = tried
    return atoms


@cache
def usual_atoms() -> tuple[Atoms, ...]:
    """A crystal whose cell is smaller than the usual cutoff, a molecule, a layer periodic in two directions."""
    rng = np.random.default_rng(5)
    slanted = np.array([[3.4, 0.2, 0.1], [0.5, 3.2, -0.3], [-0.4, 0.6, 3.7]])
    crystal = spread_out(rng, 5, slanted, True)
    molecule = spread_out(rng, 4, np.eye(3) * 2.3, False)
    molecule.cell = None
    layer = spread_out(rng, 3, np.diag([3.0, 3.1, 2.0]), False)
    layer.pbc = [True, True, False]
    return crystal, molecule, layer


def dataset(atoms=None) -> Dataset:
    """Unlabelled structures to set up on: each of them, and some near it."""
    found = [Structure(a) for a in (usual_atoms() if atoms is None else atoms)]
    near = [Structure(s.atoms.copy()) for s in found for _ in range(4)]
    for k, s in enumerate(near):
        s.atoms.rattle(0.1, seed=k)
    return Dataset(found + near)


def trained(potential: Potential) -> list[torch.nn.Parameter]:
    """What a solver may change."""
    return [p for p in potential.parameters() if p.requires_grad]


def shake(potential: Potential) -> Potential:
    """Trained parameters that are zero become random, others change a little, always in the same way."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for p in trained(potential):
            noise = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            p.copy_(0.3 * noise if bool((p == 0).all()) else p * (1 + 0.05 * noise))
    return potential


def pair_up(descriptor: type, regressor: type) -> Subject:
    parts = descriptor.example(), regressor.example()
    atoms = tuple(parts[0].example_atoms()) or usual_atoms()
    potential = DescriptorPotential(*parts)
    potential.setup(dataset(atoms))
    return Subject(shake(potential), atoms)


def single(potential: type) -> Subject:
    example = potential.example()
    return Subject(example, tuple(potential.example_atoms()) or usual_atoms())


def salt() -> tuple[Atoms, ...]:
    return tuple(OWN["Ewald"].example_atoms())


def snap_with_repulsion() -> Subject:
    found = classes(Descriptor), classes(Regressor), classes(Potential)
    linear = DescriptorPotential(found[0]["SO4Bispectrum"].example(), found[1]["LinearRegressor"]())
    potential = found[2]["IsolatedAtoms"]({"H": -1.0, "C": 2.0, "O": 0.5}) + Frozen(found[2]["ZBL"].example()) + linear
    potential.setup(dataset())
    return Subject(shake(potential), usual_atoms())


def two_kernels() -> Subject:
    local = DescriptorPotential(OWN["RaggedHistogram"].example(), OWN["KernelRegressor"].example())
    potential = OWN["PairKernel"]() + local
    potential.setup(dataset())
    return Subject(shake(potential), usual_atoms())


def messages_and_ewald() -> Subject:
    potential = OWN["TwoLayers"].example() + OWN["Ewald"].example()
    potential.setup(dataset(salt()))
    return Subject(potential, salt())


def committee() -> Subject:
    members = [OWN["TwoLayers"](seed=k) for k in range(3)]
    potential = Committee(members)
    potential.setup(dataset())
    return Subject(potential, usual_atoms())


def kernel_subject(descriptor, atoms: tuple[Atoms, ...]) -> Subject:
    potential = classes(Potential)["KernelPotential"](descriptor, length=3.0, labels=("energy", "forces"))
    potential.setup(dataset(atoms))
    view = potential.linear()
    noise = np.random.default_rng(4).normal(size=len(view.coefficients))
    view.coefficients = torch.from_numpy(noise)
    return Subject(potential, atoms)


def kernel_on_atoms() -> Subject:
    return kernel_subject(OWN["RaggedHistogram"].example(), usual_atoms()[1:2])


def kernel_on_molecules() -> Subject:
    descriptor = classes(Descriptor)["CoulombMatrix"]
    return kernel_subject(descriptor.example(), tuple(descriptor.example_atoms()))


COMPOSED = {
    f.__name__: f
    for f in (
        snap_with_repulsion,
        two_kernels,
        messages_and_ewald,
        committee,
        kernel_on_atoms,
        kernel_on_molecules,
    )
}


def of_contract(contract: type) -> dict[str, type]:
    """Classes of the catalogue and of the cases."""
    own = {name: cls for name, cls in OWN.items() if issubclass(cls, contract)}
    return {n: c for n, c in classes(contract).items() if n not in ("DescriptorPotential", "KernelPotential")} | own


def names() -> list[str]:
    pairs = [f"{d} + {r}" for d in of_contract(Descriptor) for r in of_contract(Regressor)]
    return [*of_contract(Potential), *pairs, *COMPOSED]


@cache
def subject(name: str) -> Subject:
    """The subject of a name from `names`."""
    if name in COMPOSED:
        return COMPOSED[name]()
    if " + " in name:
        descriptor, regressor = name.split(" + ")
        return pair_up(of_contract(Descriptor)[descriptor], of_contract(Regressor)[regressor])
    return single(of_contract(Potential)[name])


def graph(potential: Potential, *atoms: Atoms) -> Graph:
    """Structures as one batch, with edges as far as the potential reads."""
    return batch([graph_of(a, potential.cutoff) for a in atoms])


def energies(potential: Potential, atoms: list[Atoms]) -> np.ndarray:
    with torch.no_grad():
        return potential(graph(potential, *atoms)).energy.numpy()


def accepts(potential: Potential, *atoms: Atoms) -> bool:
    """Whether the potential computes these at all; a molecule's own potential refuses others, in words."""
    try:
        energies(potential, list(atoms))
    except UserError:
        return False
    return True
