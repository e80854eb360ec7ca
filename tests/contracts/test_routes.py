"""One truth, several routes: compiled kernels, rows, ghosts and archives give what `evaluate` gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from contracts.subjects import graph, names, subject
from contracts.test_potentials import close, require

from cambrian.contracts import evaluate, load, predictor, save
from cambrian.contracts.prepared import prepare
from cambrian.errors import UserError
from cambrian.graph import Graph, graph_of, sum_over_structures

pytestmark = pytest.mark.parametrize("name", names())


def test_predictor_is_evaluate(name):
    s = subject(name)
    run = predictor(s.potential)
    for atoms in s.atoms:
        truth = evaluate(s.potential, graph(s.potential, atoms))
        found = run(graph(s.potential, atoms))
        for field in ("energy", "forces", "stress", "atomic_energies", "charges", "dipole"):
            expected = getattr(truth, field)
            assert (getattr(found, field) is None) == (expected is None), field
            if expected is not None:
                close(getattr(found, field), expected, 1e-9)
    strange = s.atoms[0].copy()
    strange.numbers[-1] = 94
    if any(len(t.elements) for t in s.potential.terms()):
        with pytest.raises(UserError, match=r"Pu"):
            run(graph(s.potential, strange))


def test_rows_times_coefficients(name):
    s = subject(name)
    views = [(t, t.linear()) for t in s.potential.terms() if t.linear() is not None]
    require(views, "not linear")
    whole = graph(s.potential, *s.atoms)
    for term, view in views:
        truth = evaluate(term, whole.within(term.cutoff))
        rows, c = view.rows(whole), view.coefficients
        close(rows.energy @ c, truth.energy)
        close(view.rows(whole, derivatives=False).energy, rows.energy, 1e-13)
        assert (rows.forces is not None) == term.differentiable
        if rows.forces is not None:
            close(rows.forces @ c, truth.forces, 1e-9)
            close(rows.stress @ c, truth.stress, 1e-9)
        prior = view.prior()
        assert prior is None or prior.shape[1] == len(c)
        view.coefficients = 2 * c
        close(evaluate(term, whole.within(term.cutoff)).energy, 2 * truth.energy)
        view.coefficients = c
        assert torch.equal(evaluate(term, whole.within(term.cutoff)).energy, truth.energy)


def with_ghosts(atoms: Atoms, halo: float) -> tuple[Atoms, np.ndarray]:
    """The atoms of a cell with copies of all images within `halo` of any of them, and whose copy each is."""
    cell, positions = atoms.cell.array, atoms.positions
    reach = np.ceil(halo * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int) + 1
    found, parents = [positions], [np.arange(len(atoms))]
    for shift in np.ndindex(*(2 * reach + 1)):
        offset = (np.array(shift) - reach) @ cell
        if np.any(np.array(shift) != reach):
            images = positions + offset
            near = np.linalg.norm(images[:, None] - positions, axis=-1).min(axis=1) < halo + 1e-9
            found.append(images[near])
            parents.append(np.flatnonzero(near))
    parent = np.concatenate(parents)
    return Atoms(atoms.numbers[parent], np.concatenate(found)), parent


def decomposed(s, atoms) -> tuple[Graph, np.ndarray]:
    """The graph of a domain: owned atoms first; ghosts have edges only where messages travel."""
    cluster, parent = with_ghosts(atoms, s.potential.receptive_field)
    whole = graph_of(cluster, s.potential.cutoff)
    owned = torch.arange(len(parent)) < len(atoms)
    if s.potential.scope == "local":
        kept = owned[whole.center]
        edges = {name: getattr(whole, name)[kept] for name in ("center", "neighbor", "shift", "r_ij")}
        whole = replace(whole, **edges, _views={})
    return replace(whole, owned=owned), parent


def returned(forces, parent, n):
    """Forces of ghosts given back to the atoms they are copies of."""
    return torch.zeros(n, *forces.shape[1:], dtype=forces.dtype).index_add(0, torch.from_numpy(parent), forces)


def test_ghosts(name):
    s = subject(name)
    require(s.potential.scope != "global" and s.periodic, "cannot be cut into domains")
    atoms = s.periodic[0]
    truth = evaluate(s.potential, graph(s.potential, atoms))
    domain, parent = decomposed(s, atoms)
    assert domain.n_atoms > len(atoms) or s.potential.receptive_field == 0
    routes = {
        "evaluate": evaluate(s.potential, domain),
        "predictor": predictor(s.potential)(domain),
        "prepared": prepare(s.potential, domain).predict(),
    }
    for found in routes.values():
        close(found.energy, truth.energy)
        close(sum_over_structures(found.atomic_energies.detach(), domain), truth.energy)
        if truth.forces is not None:
            close(returned(found.forces.detach(), parent, len(atoms)), truth.forces, 1e-9)
    for term in s.potential.terms():
        if term.linear() is not None:
            rows, expected = (term.linear().rows(g) for g in (domain, graph(s.potential, atoms)))
            close(rows.energy, expected.energy)
            if rows.forces is not None:
                close(returned(rows.forces, parent, len(atoms)), expected.forces, 1e-9)


def test_saved_and_loaded(name, tmp_path):
    s = subject(name)
    again = load(save(s.potential, tmp_path / "potential.safetensors"))
    before, after = s.potential.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) and before[k].dtype == after[k].dtype for k in before)
    trained = {k for k, p in s.potential.named_parameters() if p.requires_grad}
    assert trained == {k for k, p in again.named_parameters() if p.requires_grad}
    assert (again.cutoff, again.receptive_field) == (s.potential.cutoff, s.potential.receptive_field)
    first, second = (evaluate(p, graph(s.potential, *s.atoms)) for p in (s.potential, again))
    for field, value in vars(first).items():
        if value is not None:
            assert torch.equal(value.nan_to_num(), getattr(second, field).nan_to_num()), field
    assert (s.potential.linear() is None) == (again.linear() is None)
