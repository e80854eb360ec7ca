"""Cluster expansions as .yace files: written, read back, and what cannot be read."""

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts import DescriptorPotential, Frozen, evaluate
from cambrian.contracts.archive import load, save
from cambrian.data import Dataset, Structure
from cambrian.deploy.lammps_stock import deploy as deploy_lammps
from cambrian.deploy.yace import deploy
from cambrian.deploy.yace_import import import_yace
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.radial_bases import ChebExpCos, ChebPow, SBessel
from cambrian.networks.pace import PACE
from cambrian.regressors.linear import LinearRegressor


def alloy():
    atoms = bulk("Si", cubic=True)
    atoms.numbers[::3] = 6
    atoms.set_cell(atoms.cell * 0.85, scale_atoms=True)
    atoms.rattle(0.12, seed=2)
    return atoms


def expansion(radial=ChebPow(lam=4.0)):  # noqa: B008
    limits = {"n_max": [4, 3, 2, 1], "l_max": [0, 2, 2, 2], "degree": [4, 6, 6, 8]}
    descriptor = AtomicClusterExpansion(cutoff=3.8, radial=radial, **limits)
    potential = DescriptorPotential(descriptor, LinearRegressor())
    return IsolatedAtoms({"C": -7.0, "Si": -3.5}) + potential


def fitted(potential, atoms=None):
    potential.setup(Dataset([Structure(alloy() if atoms is None else atoms)]))
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for term in potential.terms():
            if isinstance(term, DescriptorPotential):
                shape = term.regressor.coefficients.shape
                term.regressor.coefficients.copy_(torch.from_numpy(rng.normal(size=shape)))
    return potential.eval()


def assert_same(first, second, atoms=None):
    graph = graph_of(alloy() if atoms is None else atoms, 3.8)
    one, other = evaluate(first, graph), evaluate(second, graph)
    for name in ("atomic_energies", "forces", "stress"):
        a, b = getattr(one, name).detach().numpy(), getattr(other, name).detach().numpy()
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * np.abs(a).max())


@pytest.mark.parametrize("radial", [ChebPow(lam=4.0), ChebExpCos(lam=3.0), SBessel()], ids=lambda r: type(r).__name__)
def test_written_and_read_back_it_is_the_same_potential(tmp_path, radial):
    potential = fitted(expansion(radial))
    assert [p.name for p in deploy(potential, tmp_path)] == ["potential.yace", "in.lammps"]
    read = import_yace(tmp_path)
    assert isinstance(read, PACE)
    assert read.cutoff == 3.8
    assert_same(potential, read)


def test_what_was_read_is_written_again_to_the_last_digit(tmp_path):
    deploy(fitted(expansion()), tmp_path / "first")
    read = import_yace(tmp_path / "first" / "potential.yace")
    deploy(read, tmp_path / "second")
    assert (tmp_path / "second/potential.yace").read_text() == (tmp_path / "first/potential.yace").read_text()


def test_a_model_file_keeps_it_of_one_element_too(tmp_path):
    descriptor = AtomicClusterExpansion(cutoff=3.8, n_max=[3, 2], l_max=[0, 2])
    atoms = alloy()
    atoms.numbers[:] = 14
    deploy(fitted(DescriptorPotential(descriptor, LinearRegressor()), atoms), tmp_path)
    read = import_yace(tmp_path)
    save(read, tmp_path / "model.cambrian", {})
    assert_same(read, load(tmp_path / "model.cambrian"), atoms)


def test_the_file_holds_what_pace_reads(tmp_path):
    potential = fitted(expansion())
    deploy(potential, tmp_path, name="alloy")
    text = (tmp_path / "alloy.yace").read_text()
    content = yaml.safe_load(
        text.replace("[0, 0]:", "a:").replace("[0, 1]:", "b:").replace("[1, 0]:", "c:").replace("[1, 1]:", "d:")
    )
    (term,) = (t for t in potential.terms() if isinstance(t, DescriptorPotential))
    table = term.regressor.coefficients.reshape(2, -1)
    assert content["elements"] == ["C", "Si"]
    np.testing.assert_allclose(content["E0"], table[:, 0].detach() + torch.tensor([-7.0, -3.5]), rtol=1e-15)
    for mu0 in (0, 1):
        functions = content["functions"][mu0]
        assert len(functions) == len(set(term.descriptor.basis.functions))
        for f in functions:
            assert f["mu0"] == mu0
            ms = np.reshape(f["ms_combs"], (f["num_ms_combs"], f["rank"]))
            assert (ms.sum(axis=1) == 0).all()
            assert (np.abs(ms) <= f["ls"]).all()
            assert len({min(tuple(m), tuple(-m)) for m in ms}) == len(ms)  # one of each m and -m
            assert len(f["ctildes"]) == len(ms) * f["ndensity"]
        pairs = [f for f in functions if f["rank"] == 1]
        np.testing.assert_allclose(
            [f["ctildes"][0] for f in pairs], table[mu0, 1 : 1 + len(pairs)].detach(), rtol=1e-15
        )


def test_repulsion_stands_beside_it(tmp_path):
    potential = fitted(expansion() + Frozen(ZBL(inner=1.0, outer=1.5)))
    deploy_lammps(potential, tmp_path)
    lines = (tmp_path / "in.lammps").read_text().splitlines()
    assert "pair_style hybrid/overlay zbl 1 1.5 pace product" in lines
    assert "pair_coeff * * pace potential.yace C Si" in lines


def test_other_potentials_have_no_such_file(tmp_path):
    with pytest.raises(UserError, match="holds one atomic cluster expansion; this potential has 0"):
        deploy(IsolatedAtoms.example(), tmp_path)


def test_broken_files_are_told(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        import_yace(tmp_path / "none.yace")
    with pytest.raises(UserError, match=r"holds 0 \.yace files"):
        import_yace(tmp_path)
    deploy(fitted(expansion()), tmp_path)
    text = (tmp_path / "potential.yace").read_text()
    broken = tmp_path / "broken.yace"
    for wrong, message in [
        (text[: len(text) // 3], "is no YAML|is not a whole"),
        (text.replace("embeddings:", "embedding:"), "is not a whole .yace file: KeyError 'embeddings'"),
        (text.replace("ChebPow", "ACE.jl.base"), r"radial functions ACE.jl.base are not known"),
        (text.replace("elements: [C, Si]", "elements: [C, Xy]"), "Xy"),
        ("just words", "holds no potential"),
    ]:
        broken.write_text(wrong)
        with pytest.raises(UserError, match=message):
            import_yace(broken)


def test_numbers_in_short_are_numbers(tmp_path):
    """1e-05 without a point is text to YAML 1.1; other programs write it."""
    potential = fitted(expansion())
    deploy(potential, tmp_path)
    file = tmp_path / "potential.yace"
    file.write_text(file.read_text().replace("rho_core_cutoff: 100000.0", "rho_core_cutoff: 1e5"))
    assert_same(potential, import_yace(file))
