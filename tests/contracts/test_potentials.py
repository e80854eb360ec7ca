"""The contract of a potential, tested on everything that keeps it, guided by its traits."""

import numpy as np
import pytest
import torch
from ase import Atoms
from contracts.subjects import accepts, energies, graph, names, subject, trained
from scipy.spatial.transform import Rotation

from cambrian.configurable import describe
from cambrian.contracts import evaluate
from cambrian.contracts.catalogue import build
from cambrian.contracts.evaluate import Prediction
from cambrian.contracts.prepared import prepare
from cambrian.errors import UserError
from cambrian.graph import batch, graph_of

pytestmark = pytest.mark.parametrize("name", names())


def close(found, expected, tolerance=1e-10):
    """Within the tolerance, relative to the largest value expected or to 1; NaN only where NaN is expected."""
    found, expected = (np.asarray(v.detach() if isinstance(v, torch.Tensor) else v) for v in (found, expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def slope(along, step=1e-5) -> float:
    """d/ds of a function of s at 0, with an error of fourth order; the function takes several s at once."""
    far_back, back, ahead, far_ahead = along([-2 * step, -step, step, 2 * step])
    return (8 * (ahead - back) - (far_ahead - far_back)) / (12 * step)


def changed(atoms, *, positions=None, cell=None):
    other = atoms.copy()
    if cell is not None:
        other.cell = cell
    if positions is not None:
        other.positions = positions
    return other


def require(condition: bool, reason: str):
    if not condition:
        pytest.skip(reason)


def test_forces_are_minus_the_gradient(name):
    s = subject(name)
    require(s.potential.differentiable, "not differentiable")
    rng = np.random.default_rng(0)
    for atoms in s.atoms:
        forces = evaluate(s.potential, graph(s.potential, atoms)).forces.numpy()
        for _ in range(2):
            direction = rng.normal(size=(len(atoms), 3))
            found = slope(
                lambda steps, a=atoms, d=direction: energies(
                    s.potential, [changed(a, positions=a.positions + h * d) for h in steps]
                )
            )
            close(-(forces * direction).sum(), found, 1e-7)


def test_stress_is_the_derivative_by_strain(name):
    s = subject(name)
    require(s.potential.differentiable and s.periodic, "no stress")
    rng = np.random.default_rng(1)
    for atoms in s.periodic:
        stress = evaluate(s.potential, graph(s.potential, atoms)).stress[0].numpy()
        direction = rng.normal(size=(3, 3)) / 3
        directions = [np.eye(3) + h * direction for h in (-2e-5, -1e-5, 1e-5, 2e-5)]
        strained = [changed(atoms, positions=atoms.positions @ d, cell=atoms.cell.array @ d) for d in directions]
        found = slope(lambda steps, a=strained: energies(s.potential, a))
        close((stress * direction).sum() * atoms.get_volume(), found, 1e-7)
        np.testing.assert_allclose(stress, stress.T, rtol=0, atol=1e-14)


def test_translation(name):
    s = subject(name)
    for atoms in s.atoms:
        moved = changed(atoms, positions=atoms.positions + [0.31, -1.7, 12.4])
        if atoms.pbc.any():
            moved.positions[0] += np.array([1, -2, 1]) * atoms.pbc @ atoms.cell.array
        here, there = (evaluate(s.potential, graph(s.potential, a)) for a in (atoms, moved))
        close(there.energy, here.energy)
        if here.forces is not None:
            close(there.forces, here.forces, 1e-9)


@pytest.mark.parametrize("mirror", [1, -1], ids=["rotation", "reflection"])
def test_rotation(name, mirror):
    s = subject(name)
    Q = mirror * Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    for atoms in s.atoms:
        turned = changed(atoms, positions=atoms.positions @ Q, cell=atoms.cell.array @ Q)
        here, there = (evaluate(s.potential, graph(s.potential, a)) for a in (atoms, turned))
        close(there.energy, here.energy)
        if here.forces is not None:
            close(there.forces, here.forces.numpy() @ Q, 1e-9)
            close(there.stress[0], Q.T @ here.stress[0].numpy() @ Q, 1e-9)


def test_permutation(name):
    s = subject(name)
    for atoms in s.atoms:
        order = np.roll(np.arange(len(atoms)), 1)
        if not accepts(s.potential, atoms[order]):
            # a potential of one molecule knows its atoms by their order; like atoms may still change places
            order = np.lexsort((-np.arange(len(atoms)), atoms.numbers))
            order = order[np.argsort(np.argsort(atoms.numbers, kind="stable"), kind="stable")]
        here, there = (evaluate(s.potential, graph(s.potential, a)) for a in (atoms, atoms[order]))
        assert (atoms[order].positions != atoms.positions).any() or len(atoms) == 1
        close(there.energy, here.energy)
        if here.forces is not None:
            close(there.forces, here.forces[order], 1e-9)
        if here.atomic_energies is not None:
            close(there.atomic_energies, here.atomic_energies[order])


def test_batch_is_its_members(name):
    s = subject(name)
    together = evaluate(s.potential, graph(s.potential, *s.atoms))
    alone = [evaluate(s.potential, graph(s.potential, a)) for a in s.atoms]
    for field in vars(together):
        parts = [getattr(p, field) for p in alone]
        if getattr(together, field) is None:
            assert all(p is None for p in parts)
        else:
            close(getattr(together, field), torch.cat(parts))


def test_atom_without_neighbors(name):
    s = subject(name)
    numbers = {int(z) for a in s.atoms for z in a.numbers}
    alone = [Atoms([z], cell=[20.0] * 3, pbc=pbc) for z in numbers for pbc in (False, True)]
    alone = [a for a in alone if accepts(s.potential, a)]
    require(alone, "this potential is for other structures only")
    for atoms in alone:
        found = evaluate(s.potential, graph(s.potential, atoms), training=True)
        assert torch.isfinite(found.energy).all()
        if found.forces is None:
            continue
        assert (found.forces.abs() < 1e-12).all()
        assert torch.isfinite(found.stress).all() == atoms.pbc.all()
        total = found.energy.sum() + found.forces.square().sum()
        parameters = trained(s.potential)
        if parameters and total.requires_grad:
            slopes = torch.autograd.grad(total, parameters, allow_unused=True)
            assert all(g is None or torch.isfinite(g).all() for g in slopes)


def test_smooth_at_the_cutoff(name):
    """A neighbor that crosses a cutoff brings no jump of energy or forces; a third atom makes angles."""
    s = subject(name)
    cutoffs = {p.cutoff for p in s.potential.modules() if 0 < getattr(p, "cutoff", 0) < np.inf}
    numbers = sorted({int(z) for a in s.atoms for z in a.numbers})
    direction = np.array([0.6, 0.48, 0.64])

    def crossing(z, cutoff):
        return Atoms([numbers[0], numbers[-1], z], [[0, 0, 0], [-0.9, 0.7, 0.2], cutoff * direction])

    probes = [(z, cutoff) for z in numbers for cutoff in cutoffs if accepts(s.potential, crossing(z, cutoff))]
    require(probes, "no cutoff to cross")
    for z, cutoff in probes:
        inside, outside = (evaluate(s.potential, graph(s.potential, crossing(z, cutoff + d))) for d in (-1e-11, 1e-11))
        close(inside.energy, outside.energy)
        if inside.forces is not None:
            close(inside.forces, outside.forces)


def test_extensive(name):
    s = subject(name)
    require(s.potential.extensive and s.periodic, "not extensive, or not periodic")
    for atoms in s.periodic[:1]:
        one, eight = (evaluate(s.potential, graph(s.potential, a)) for a in (atoms, atoms.repeat(2)))
        close(eight.energy, 8 * one.energy, 1e-10)
        if one.forces is not None:
            close(eight.forces, one.forces.repeat(8, 1), 1e-9)
            close(eight.stress, one.stress, 1e-9)


def test_reads_only_its_own_edges(name):
    s = subject(name)
    require(s.potential.cutoff < np.inf, "reads every pair")
    for atoms in s.atoms:
        wide = evaluate(s.potential, graph_of(atoms, s.potential.cutoff + 1.3))
        near = evaluate(s.potential, graph(s.potential, atoms))
        close(wide.energy, near.energy, 1e-13)
        if near.forces is not None:
            close(wide.forces, near.forces, 1e-12)
    unequal = batch([graph_of(a, s.potential.cutoff + 0.7 * k) for k, a in enumerate(s.atoms)])
    close(evaluate(s.potential, unequal).energy, evaluate(s.potential, graph(s.potential, *s.atoms)).energy, 1e-13)


def test_float64_throughout(name):
    s = subject(name)
    found = evaluate(s.potential, graph(s.potential, *s.atoms), training=True)
    values = {field: v for field, v in vars(found).items() if v is not None}
    assert {field: v.dtype for field, v in values.items()} == dict.fromkeys(values, torch.float64)
    rows = s.potential.linear() and s.potential.linear().rows(graph(s.potential, *s.atoms))
    assert rows is None or {v.dtype for v in vars(rows).values() if v is not None} == {torch.float64}


def test_the_same_twice_and_nothing_to_differentiate(name):
    s = subject(name)
    first, second = (evaluate(s.potential, graph(s.potential, *s.atoms)) for _ in range(2))
    with torch.no_grad():
        third = evaluate(s.potential, graph(s.potential, *s.atoms))
    for field, value in vars(first).items():
        if value is not None:
            assert not value.requires_grad
            assert torch.equal(value.nan_to_num(), getattr(second, field).nan_to_num())
            assert torch.equal(value.nan_to_num(), getattr(third, field).nan_to_num())


def test_virials_add_up_to_the_stress(name):
    s = subject(name)
    whole = graph(s.potential, *s.atoms)
    if s.potential.scope != "local":
        with pytest.raises(UserError, match=r"virials"):
            evaluate(s.potential, whole, virials=True)
        return
    require(s.potential.differentiable and s.periodic, "no stress")
    for atoms in s.periodic:
        found = evaluate(s.potential, graph(s.potential, atoms), virials=True)
        total = found.virials.sum(dim=0)
        close(0.5 * (total + total.T), -atoms.get_volume() * found.stress[0])


def test_unknown_element_is_refused(name):
    s = subject(name)
    require(any(len(t.elements) for t in s.potential.terms()), "made for any element")
    strange = s.atoms[0].copy()
    strange.numbers[-1] = 94
    with pytest.raises(UserError, match=r"Pu"):
        evaluate(s.potential, graph(s.potential, strange))


def test_described_and_built_again(name):
    s = subject(name)
    words = describe(s.potential)
    assert describe(build(words)) == words
    assert type(build(words)) is type(s.potential)


def objective(found: Prediction) -> torch.Tensor:
    """A number that depends on energies, forces and stress."""
    generator = torch.Generator().manual_seed(3)

    def weigh(values):
        known = torch.where(values.isnan(), torch.zeros_like(values), values)
        return (torch.randn(values.shape, generator=generator, dtype=values.dtype) * known).sum()

    total = weigh(found.energy)
    for value in (found.forces, found.stress):
        total = total if value is None else total + weigh(value)
    return total


def slopes_of(total, parameters):
    return torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True, retain_graph=True)


def test_forces_are_differentiable_by_the_parameters(name):
    """What training by gradient descent needs: the derivative of a loss on forces and stress."""
    s = subject(name)
    parameters = trained(s.potential)
    require(parameters, "nothing to train")
    whole = graph(s.potential, *s.atoms)
    total = objective(evaluate(s.potential, whole, training=True))
    require(total.requires_grad, "no parameter acts here")
    slopes = slopes_of(total, parameters)
    generator = torch.Generator().manual_seed(7)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    expected = float(sum((g * d).sum() for g, d in zip(slopes, direction, strict=True)))

    def along(steps):
        kept = [p.detach().clone() for p in parameters]
        for h in steps:
            with torch.no_grad():
                for p, start, d in zip(parameters, kept, direction, strict=True):
                    p.copy_(start + h * d)
            yield float(objective(evaluate(s.potential, whole)))
        with torch.no_grad():
            for p, start in zip(parameters, kept, strict=True):
                p.copy_(start)

    close(slope(lambda steps: list(along(steps)), step=1e-4), expected, 1e-7)


def test_prepared_is_evaluated(name):
    """Values, and derivatives by the parameters; several prepared structures join to one batch."""
    s = subject(name)
    whole = graph(s.potential, *s.atoms)
    truth = evaluate(s.potential, whole, training=True)
    items = [prepare(s.potential, graph(s.potential, a)) for a in s.atoms]
    for found in (prepare(s.potential, whole).predict(), items[0].join(items[1:]).predict()):
        for field in ("energy", "forces", "stress", "charges", "dipole", "penalty"):
            expected = getattr(truth, field)
            assert (getattr(found, field) is None) == (expected is None), field
            if expected is not None:
                close(getattr(found, field).detach(), expected.detach(), 1e-10)
        parameters = trained(s.potential)
        if parameters and objective(truth).requires_grad:
            wanted, got = (
                torch.autograd.grad(
                    objective(p), parameters, materialize_grads=True, allow_unused=True, retain_graph=True
                )
                for p in (truth, found)
            )
            for w, g in zip(wanted, got, strict=True):
                close(g, w, 1e-9)


def test_prepared_for_energies_alone(name):
    s = subject(name)
    whole = graph(s.potential, *s.atoms)
    close(prepare(s.potential, whole, forces=False).predict().energy.detach(), evaluate(s.potential, whole).energy)
