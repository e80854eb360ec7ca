"""Every potential that has a compiled form, as `deploy --to lammps` writes it, gives in LAMMPS what evaluate gives."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from compiled_runs import members
from contracts.subjects import dataset, names, subject, usual_atoms
from lammps_plugin.structures import turned
from lammps_runs import computed, gathered, lammps_module, session
from native.test_deployed import made

from cambrian.contracts import Potential
from cambrian.contracts.evaluate import evaluate
from cambrian.deploy.compiled import not_compiled
from cambrian.deploy.lammps import deploy
from cambrian.elements import symbols
from cambrian.graph import graph_of
from cambrian.native.library import available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
lammps_module()
ASKED = [
    "compute energies all pe/atom",
    "compute virials all centroid/stress/atom NULL pair",
    "compute tally all reduce sum c_energies c_virials[1]",
    "thermo_style custom step pe c_tally[1]",
    "run 0 post no",
]


@pytest.mark.parametrize("name", names())
def test_lammps_gives_what_evaluate_gives(name, tmp_path, monkeypatch):
    s = subject(name)
    if not len(s.potential.elements):
        s.potential.setup(dataset(s.atoms))
    if not_compiled(s.potential) or not any(list(m.terms()) for m in members(s.potential)):
        pytest.skip("no compiled form")
    monkeypatch.chdir(tmp_path)
    require_same_in_lammps(s.potential, s.atoms, tmp_path)


@pytest.mark.parametrize("name", ["snap by elements", "nodes by elements", "compact hdnnp", "gaussian points"])
def test_what_the_examples_do_not_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_same_in_lammps(made(name), usual_atoms(), tmp_path)


def require_same_in_lammps(potential: Potential, structures: tuple[Atoms, ...], folder: Path) -> None:
    deploy(potential, folder)
    elements = symbols(potential.elements)
    for given in structures:
        atoms = Atoms(given.symbols, given.positions, cell=given.cell, pbc=given.pbc)
        truth = evaluate(potential, graph_of(atoms, potential.cutoff), virials=True)
        lines = [line for line in (folder / "in.lammps").read_text().splitlines() if line and line[0] != "#"]
        with session(atoms, types=elements) as (lmp, frame):
            lmp.commands_list([*lines, *ASKED])
            n = len(atoms)
            virials = turned(computed(lmp, "virials", n) / -lmp.extract_global("nktv2p"), frame)
            close(lmp.get_thermo("pe"), float(truth.energy[0]), "energy")
            close(gathered(lmp, "f", n) @ frame, truth.forces.numpy(), "forces")
            close(computed(lmp, "energies", n), truth.atomic_energies.numpy(), "atomic energies")
            close(virials, truth.virials.numpy(), "virials")
        if atoms.pbc.all():
            whole = virials.sum(axis=0) / -atoms.get_volume()
            close((whole + whole.T) / 2, truth.stress[0].numpy(), "stress")


def close(ours, truth, name):
    scale = max(np.abs(truth).max(initial=0.0) if np.ndim(truth) else abs(truth), 1.0)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-10 * scale, err_msg=name)
