import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_runs import single_point

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.bispectrum import bispectrum_orders
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor

torch.set_num_threads(1)
TWO_SPECIES = {"radii": {"Be": 0.42, "W": 0.5}, "weights": {"Be": 0.61, "W": 1.0}}
native = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def crystal(seed: int = 0, n_atoms: int = 10, size: float = 5.6) -> Atoms:
    """Beryllium and tungsten at random places, no closer than 1.6 Å, in a skewed cell shorter than the cutoff."""
    rng = np.random.default_rng(seed)
    cell = size * np.eye(3) + rng.uniform(-1.2, 1.2, (3, 3))
    atoms = Atoms(cell=cell, pbc=True)
    while len(atoms) < n_atoms:
        trial = atoms + Atoms(str(rng.choice(["Be", "W"])), [rng.random(3) @ cell])
        if len(trial) == 1 or graph_of(trial, 1.6).n_edges == 0:
            atoms = Atoms(trial, cell=cell, pbc=True)
    return atoms


def structures(atoms: Atoms) -> Dataset:
    return Dataset([Structure(atoms)])


def lammps_words(descriptor: SO4Bispectrum, elements: list[str]) -> str:
    radii = " ".join(str(float(descriptor.element_radius[Atoms(s).numbers[0]])) for s in elements)
    weights = " ".join(str(float(descriptor.element_weight[Atoms(s).numbers[0]])) for s in elements)
    flags = f"rmin0 {descriptor.rmin0} switchflag {int(descriptor.switch)} bzeroflag {int(descriptor.bzero)}"
    flags += f" bnormflag {int(descriptor.bnorm)} wselfallflag {int(descriptor.wselfall)}"
    if descriptor.chem:
        flags += f" chem {len(elements)} " + " ".join(str(k) for k in range(len(elements)))
    return f"{descriptor.pair_cutoff} {descriptor.rfac0} {descriptor.two_j_max} {radii} {weights} {flags}"


def lammps_bispectrum(descriptor: SO4Bispectrum, atoms: Atoms) -> np.ndarray:
    elements = sorted(set(atoms.get_chemical_symbols()), key=lambda s: Atoms(s).numbers[0])
    pair = [f"pair_style zero {descriptor.cutoff + 1.0}", "pair_coeff * *"]
    found = single_point(atoms, pair, per_atom={"b": f"sna/atom {lammps_words(descriptor, elements)}"})
    return found.extra["b"]


@pytest.mark.parametrize("two_j_max", range(2, 9))
def test_equal_to_lammps(two_j_max):
    atoms = crystal(seed=two_j_max)
    descriptor = SO4Bispectrum(cutoff=5.2, two_j_max=two_j_max, rmin0=0.4, rfac0=0.97, **TWO_SPECIES)
    features = descriptor.features(graph_of(atoms, descriptor.cutoff)).numpy()
    np.testing.assert_allclose(features, lammps_bispectrum(descriptor, atoms), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"bzero": False},
        {"bnorm": True},
        {"bnorm": True, "bzero": False},
        {"switch": False},
        {"chem": True},
        {"chem": True, "wselfall": True},
        {"chem": True, "bnorm": True, "bzero": False},
        {"chem": True, "bnorm": True, "wselfall": True},
    ],
)
def test_options_equal_to_lammps(options):
    atoms = crystal(seed=3)
    descriptor = SO4Bispectrum(cutoff=4.6, two_j_max=4, **TWO_SPECIES, **options)
    descriptor.setup(structures(atoms))
    features = descriptor.features(graph_of(atoms, descriptor.cutoff)).numpy()
    assert features.shape[1] == descriptor.n_features
    np.testing.assert_allclose(features, lammps_bispectrum(descriptor, atoms), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"bnorm": True}, {"chem": True}, {"switch": False}, {"rmin0": 1.0}])
def test_jacobian_is_the_derivative(options):
    atoms = crystal(seed=5)
    descriptor = SO4Bispectrum(cutoff=4.0, two_j_max=5, **TWO_SPECIES, **options)
    descriptor.setup(structures(atoms))
    graph = graph_of(atoms, descriptor.cutoff)
    features, jacobian = descriptor.jacobian(graph)
    np.testing.assert_allclose(features, descriptor.features(graph), rtol=1e-12, atol=1e-12)
    by_sweeps = super(SO4Bispectrum, descriptor).jacobian(graph)[1]
    np.testing.assert_allclose(jacobian, by_sweeps, atol=1e-11 * float(by_sweeps.abs().max()))

    step, edge = 1e-5, 7
    for axis in range(3):
        shift = torch.zeros_like(graph.r_ij)
        shift[edge, axis] = step
        up, down = (
            descriptor.features(graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=graph.r_ij + s))
            for s in (shift, -shift)
        )
        difference = ((up - down) / (2 * step))[graph.center[edge]]
        np.testing.assert_allclose(jacobian[edge, axis], difference, atol=2e-7 * float(jacobian.abs().max()))


def test_second_derivatives():
    graph = graph_of(crystal(n_atoms=2, size=4.5), 3.6)
    descriptor = SO4Bispectrum(cutoff=3.6, two_j_max=3)

    def features(r_ij):
        return descriptor.features(graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)).sum()

    r_ij = graph.r_ij[:].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(features, (r_ij,), atol=1e-5)


@native
@pytest.mark.parametrize("options", [{}, {"bnorm": True}, {"bzero": False}, {"rmin0": 0.7, "rfac0": 0.9}])
def test_kernel_agrees(options):
    atoms = crystal(seed=6)
    descriptor = SO4Bispectrum(cutoff=5.0, two_j_max=7, **TWO_SPECIES, **options)
    graph, kernel = graph_of(atoms, descriptor.cutoff), descriptor.kernel()
    features, jacobian = descriptor.jacobian(graph)
    scale = float(jacobian.abs().max())
    for found in (kernel.features(graph), kernel.jacobian(graph)[0]):
        np.testing.assert_allclose(found, features, rtol=1e-11, atol=1e-10)
    np.testing.assert_allclose(kernel.jacobian(graph)[1], jacobian, atol=1e-12 * scale)

    generator = torch.Generator().manual_seed(1)
    table = torch.randn(2, descriptor.n_features, generator=generator, dtype=torch.float64)
    species = (graph.numbers == 74).long()
    expected = torch.einsum("exk,ek->ex", jacobian, table[species][graph.center])
    energies, pull = kernel.energies_and_pull(graph, table, species)
    np.testing.assert_allclose(energies, (features * table[species]).sum(1), rtol=1e-10, atol=1e-9)
    for found in (pull, kernel.pull(graph, table[species])):
        np.testing.assert_allclose(found, expected, atol=1e-11 * float(expected.abs().max()))


@native
@pytest.mark.parametrize("options", [{"chem": True}, {"chem": True, "wselfall": True}, {"wselfall": True}])
def test_kernel_of_other_densities_agrees(options):
    descriptor = SO4Bispectrum(cutoff=5.0, two_j_max=3, **TWO_SPECIES, **options)
    graph, kernel = graph_of(crystal(seed=6), descriptor.cutoff), descriptor.kernel()
    for found, expected in zip(kernel.jacobian(graph), descriptor.jacobian(graph), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


@native
def test_no_kernel_without_the_switch():
    assert SO4Bispectrum(**TWO_SPECIES, switch=False).kernel() is None


def test_number_and_order_of_components():
    assert [len(bispectrum_orders(n)) for n in (0, 2, 4, 6, 8)] == [1, 5, 14, 30, 55]
    assert bispectrum_orders(2) == [(0, 0, 0), (1, 0, 1), (1, 1, 2), (2, 0, 2), (2, 2, 2)]


def test_no_neighbors_give_zero():
    descriptor = SO4Bispectrum(cutoff=3.0, two_j_max=6)
    graph = graph_of(Atoms("W"), 3.0)
    features, jacobian = descriptor.jacobian(graph)
    assert features.abs().max() < 1e-14
    assert jacobian.shape == (0, 3, 30)


def test_smooth_at_each_pair_cutoff():
    descriptor = SO4Bispectrum(cutoff=4.0, two_j_max=4, **TWO_SPECIES)
    limit = 4.0 * (0.42 + 0.5)
    assert descriptor.cutoff == pytest.approx(4.0)
    values = [
        descriptor.features(graph_of(Atoms("BeW", [[0, 0, 0], [r, 0, 0]]), 4.0)).abs().max()
        for r in (limit - 1e-5, limit + 1e-6)
    ]
    assert 0 < values[0] < 1e-8
    assert values[1] < 1e-14


def test_elements_are_told_apart_by_default():
    atoms = crystal()
    descriptor = SO4Bispectrum(cutoff=4.0, two_j_max=2)
    descriptor.setup(structures(atoms))
    weights = [float(descriptor.element_weight[z]) for z in (4, 74)]
    assert weights == [0.75, 1.0]


def test_faults_are_named():
    with pytest.raises(UserError, match="weights lacks W"):
        SO4Bispectrum(weights={"Be": 1.0}).setup(structures(crystal()))
    with pytest.raises(UserError, match="two_j_max"):
        SO4Bispectrum(two_j_max=40)
    with pytest.raises(UserError, match="rfac0"):
        SO4Bispectrum(rfac0=1.5)
    with pytest.raises(UserError, match="rmin0"):
        SO4Bispectrum(cutoff=3.0, rmin0=2.0)
    with pytest.raises(UserError, match="positive"):
        SO4Bispectrum(cutoff=-1.0)


@native
@pytest.mark.parametrize("options", [{}, {"bnorm": True, "bzero": True}])
def test_rows_of_a_fit_equal_those_of_the_torch_truth(options, monkeypatch):
    atoms = crystal(seed=3)
    potential = DescriptorPotential(SO4Bispectrum(cutoff=5.0, two_j_max=4, **TWO_SPECIES, **options), LinearRegressor())
    potential.setup(structures(atoms))
    graph = graph_of(atoms, potential.cutoff)
    summed = potential.linear().rows(graph)
    monkeypatch.setattr(SO4Bispectrum, "kernel", lambda self: None)
    truth = potential.linear().rows(graph)
    for name in ("energy", "forces", "stress"):
        expected = getattr(truth, name).numpy()
        np.testing.assert_allclose(getattr(summed, name).numpy(), expected, rtol=0, atol=1e-10 * abs(expected).max())
