"""Every potential that has a compiled form, as `deploy --to lammps` writes it, gives in LAMMPS what evaluate gives."""

import numpy as np
import pytest
from ase import Atoms
from compiled_runs import members
from contracts.subjects import dataset, names, subject
from lammps_runs import lammps_module, single_point

from cambrian.contracts.evaluate import evaluate
from cambrian.deploy.compiled import not_compiled
from cambrian.deploy.lammps import deploy
from cambrian.elements import symbols
from cambrian.graph import graph_of
from cambrian.native.library import available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
lammps_module()
SIX = {"six": "stress/atom NULL pair"}


@pytest.mark.parametrize("name", names())
def test_lammps_gives_what_evaluate_gives(name, tmp_path, monkeypatch):
    s = subject(name)
    if not len(s.potential.elements):
        s.potential.setup(dataset(s.atoms))
    if not_compiled(s.potential) or not any(list(m.terms()) for m in members(s.potential)):
        pytest.skip("no compiled form")
    monkeypatch.chdir(tmp_path)
    deploy(s.potential, tmp_path)
    elements = symbols(s.potential.elements)
    for given in s.atoms:
        atoms = Atoms(given.symbols, given.positions, cell=given.cell, pbc=given.pbc)
        truth = evaluate(s.potential, graph_of(atoms, s.potential.cutoff), virials=True)
        lines = [line for line in (tmp_path / "in.lammps").read_text().splitlines() if line and line[0] != "#"]
        found = single_point(atoms, lines, types=elements, per_atom=SIX)
        close(found.energy, float(truth.energy[0]), "energy")
        close(found.forces, truth.forces.numpy(), "forces")
        close(found.energies, truth.atomic_energies.numpy(), "atomic energies")
        if atoms.pbc.all():
            close(found.stress * atoms.get_volume(), truth.stress[0].numpy() * atoms.get_volume(), "stress")


def close(ours, truth, name):
    scale = max(np.abs(truth).max(initial=0.0) if np.ndim(truth) else abs(truth), 1.0)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-10 * scale, err_msg=name)
