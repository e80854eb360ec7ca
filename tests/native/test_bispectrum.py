import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cambrian.native import library

TWO_J = range(11)


def coefficients(kernel, n_species=3, seed=1):
    return np.random.default_rng(seed).normal(size=(n_species, kernel.n_features))


def species_of(environment, n_species=3):
    return np.random.default_rng(2).integers(0, n_species, len(environment.first) - 1)


@pytest.mark.parametrize("two_j_max", TWO_J)
def test_features_equal_the_definition(kernel, neighborhoods, reference_features, two_j_max):
    environment = neighborhoods()
    features = kernel(two_j_max=two_j_max).features(*environment.arrays)
    np.testing.assert_allclose(features, reference_features(environment, two_j_max), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("rfac0", "rmin0"), [(0.9, 0.0), (1.0, 1.1), (0.99363, 1.6)])
def test_radial_parameters(kernel, neighborhoods, reference_features, rfac0, rmin0):
    environment = neighborhoods()
    k = kernel(two_j_max=6, rfac0=rfac0, rmin0=rmin0)
    expected = reference_features(environment, 6, rfac0, rmin0)
    np.testing.assert_allclose(k.features(*environment.arrays), expected, rtol=1e-10, atol=1e-10)
    assert_slopes(k, environment)


@pytest.mark.parametrize("two_j_max", TWO_J)
def test_all_entries_agree_and_forces_are_the_slope_of_the_energy(kernel, neighborhoods, two_j_max):
    assert_slopes(kernel(two_j_max=two_j_max), neighborhoods())


def assert_slopes(k, environment):
    c, species = coefficients(k), species_of(environment)
    energies, pull = k.energies_and_pull(*environment.arrays, c, species)
    features, jacobian = k.jacobian(*environment.arrays)
    scale = max(abs(pull).max(), 1e-3)
    np.testing.assert_array_equal(features, k.features(*environment.arrays))
    np.testing.assert_allclose(energies, (features * c[species]).sum(1), atol=1e-12 * abs(energies).max())
    np.testing.assert_allclose(k.pull(*environment.arrays, c[species]), pull, atol=1e-12 * scale)
    from_jacobian = np.einsum("eck,ek->ec", jacobian, c[species][environment.center])
    np.testing.assert_allclose(from_jacobian, pull, atol=1e-12 * scale)

    step = 1e-5
    for edge, axis in [(0, 0), (3, 1), (9, 2), (20, 0), (36, 1), (60, 2)]:
        shift = np.zeros_like(environment.r_ij)
        shift[edge, axis] = step
        up, down = (
            k.energies_and_pull(*replace(environment, r_ij=environment.r_ij + sign * shift).arrays, c, species)[0]
            for sign in (1, -1)
        )
        assert (up - down).sum() / (2 * step) == pytest.approx(pull[edge, axis], abs=1e-6 * scale)


def test_no_neighbors_and_no_atoms(kernel):
    k = kernel(two_j_max=8)
    nothing = np.zeros((0, 3)), np.zeros(0), np.zeros(0)
    features, jacobian = k.jacobian(np.zeros(4, np.int64), *nothing)
    assert jacobian.shape == (0, 3, 55)
    top = [j for j1 in range(9) for j2 in range(j1 + 1) for j in range(j1 - j2, min(8, j1 + j2) + 1, 2) if j >= j1]
    np.testing.assert_allclose(features, np.broadcast_to(np.array(top) + 1.0, (3, 55)), rtol=1e-13)
    assert k.features(np.zeros(1, np.int64), *nothing).shape == (0, 55)
    energies, pull = k.energies_and_pull(np.zeros(1, np.int64), *nothing, np.ones((1, 55)), np.zeros(0, np.int64))
    assert energies.shape == (0,)
    assert pull.shape == (0, 3)
    assert k.pull(np.zeros(1, np.int64), *nothing, np.zeros((0, 55))).shape == (0, 3)


def test_neighbors_at_and_beyond_the_cutoff_give_nothing(kernel):
    k = kernel(two_j_max=8)
    r_ij = np.array([[0.0, 0, 3.0], [1.0, 0.5, 0.2], [0, 4.0, 0], [3.0 - 1e-7, 0, 0]])
    cutoff, weight, species = np.full(4, 3.0), np.ones(4), np.zeros(1, np.int64)
    c = coefficients(k, 1)
    energy, pull = k.energies_and_pull(np.array([0, 4]), r_ij, cutoff, weight, c, species)
    alone = k.energies_and_pull(np.array([0, 1]), r_ij[1:2], cutoff[:1], weight[:1], c, species)
    assert energy[0] == pytest.approx(alone[0][0], rel=1e-10)
    assert not pull[[0, 2]].any()
    assert abs(pull[3]).max() < 1e-4 * abs(pull[1]).max()
    assert not k.pull(np.array([0, 4]), r_ij, cutoff, weight, c)[[0, 2]].any()
    assert not k.jacobian(np.array([0, 4]), r_ij, cutoff, weight)[1][[0, 2]].any()


@pytest.mark.parametrize("rmin0", [1.0, 2.0, 2.5])
def test_idle_lanes_never_spoil_a_sum(kernel, rmin0):
    k = kernel(two_j_max=3, rmin0=rmin0)
    r_ij = np.array([[0.0, 0, 3.0], [2.0, 0.5, 0.2], [0, 1.0, 0]])
    energies, pull = k.energies_and_pull(
        np.array([0, 3]), r_ij, np.full(3, 6.0), np.ones(3), coefficients(k, 1), np.zeros(1, np.int64)
    )
    assert np.isfinite(energies).all()
    assert np.isfinite(pull).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["r_ij", "cutoff", "weight"])
def test_edges_that_are_not_finite_are_refused(kernel, neighborhoods, name, wrong):
    environment, k = neighborhoods(), kernel(two_j_max=2)
    getattr(environment, name)[-1] = wrong
    with pytest.raises(ValueError, match="finite|twice rmin0"):
        k.features(*environment.arrays)


def test_coincident_atoms_stay_finite(kernel):
    k = kernel(two_j_max=4)
    features, jacobian = k.jacobian(np.array([0, 1]), np.zeros((1, 3)), np.full(1, 3.0), np.ones(1))
    assert np.isfinite(features).all()
    assert np.isfinite(jacobian).all()


def test_coefficients_may_change_from_call_to_call(kernel, neighborhoods):
    environment = neighborhoods()
    k, species = kernel(two_j_max=4), species_of(environment)
    c = coefficients(k)
    before = k.energies_and_pull(*environment.arrays, c, species)[0]
    c *= 2  # in place: the folded couplings must notice
    after = k.energies_and_pull(*environment.arrays, c, species)[0]
    np.testing.assert_allclose(after, 2 * before, rtol=1e-12)


def test_kernel_survives_pickling(kernel, neighborhoods):
    environment, k = neighborhoods(), kernel(two_j_max=3, rfac0=0.9, rmin0=0.5)
    copy = pickle.loads(pickle.dumps(k))
    np.testing.assert_array_equal(copy.features(*environment.arrays), k.features(*environment.arrays))


def test_threads_give_identical_results(kernel, neighborhoods):
    environment = neighborhoods(counts=(12,) * 70)
    k = kernel(two_j_max=6)
    c, species = coefficients(k), species_of(environment)
    results = []
    try:
        for n_threads in (1, 2, 5):
            library.set_threads(n_threads)
            results.append((*k.energies_and_pull(*environment.arrays, c, species), *k.jacobian(*environment.arrays)))
    finally:
        library.set_threads(0)
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


OTHER_INSTRUCTION_SET = """
import pickle, sys
from cambrian.native import library
from cambrian.native.bispectrum import BispectrumKernel
arrays, c, species = pickle.load(sys.stdin.buffer)
k = BispectrumKernel(two_j_max=7)
result = *k.energies_and_pull(*arrays, c, species), k.pull(*arrays, c[species]), *k.jacobian(*arrays)
sys.stdout.buffer.write(pickle.dumps((library.instruction_set(), result)))
"""


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=environment.pop("stdin", b""),
        capture_output=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_instruction_sets_agree(kernel, neighborhoods):
    environment = neighborhoods()
    k = kernel(two_j_max=7)
    c, species = coefficients(k), species_of(environment)
    stdin = pickle.dumps((environment.arrays, c, species))
    names, results = zip(
        *(
            pickle.loads(python(OTHER_INSTRUCTION_SET, stdin=stdin, CAMBRIAN_NATIVE_ISA=name))
            for name in ("baseline", "v3", "v4")
        ),
        strict=True,
    )
    assert names[0] == "baseline"
    for name, result in zip(names[1:], results[1:], strict=True):
        for x, y in zip(results[0], result, strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-10, atol=1e-11 * abs(x).max(), err_msg=name)


def test_loading_leaves_denormals_on(kernel):
    code = "import numpy as np; from cambrian.native import library; library.library(); x = np.array([1e-310])"
    assert float(python(code + "; print(float((x / 2)[0]))")) == 5e-311


def test_without_the_library_the_import_works_and_says_why():
    code = (
        "import os; os.environ.pop('CAMBRIAN_NATIVE_ISA', None)\n"
        "from pathlib import Path; Path.exists = lambda self: False\n"
        "from cambrian.native.bispectrum import BispectrumKernel, available\n"
        "assert not available()\n"
        "try: BispectrumKernel(two_j_max=2)\n"
        "except RuntimeError as error: print(error)"
    )
    assert b"C++17 compiler" in python(code)


def test_turned_off_the_truth_runs():
    code = (
        "from ase.build import molecule\n"
        "from cambrian.contracts.descriptor_potential import DescriptorPotential\n"
        "from cambrian.data.dataset import Dataset\n"
        "from cambrian.data.structure import Structure\n"
        "from cambrian.native import library\n"
        "from cambrian.recipes.hdnnp import hdnnp\n"
        "potential, _ = hdnnp()\n"
        "potential.setup(Dataset([Structure(molecule('H2O'), energy=0.0), Structure(molecule('H2'), energy=0.0)]))\n"
        "networks = [term for term in potential.terms() if isinstance(term, DescriptorPotential)]\n"
        "print(library.available(), any(term.native() for term in networks), library.missing())"
    )
    assert b"False False the compiled kernels are turned off" in python(code, CAMBRIAN_NATIVE_ISA="none")
    if library.available():
        assert b"True True" in python(code, CAMBRIAN_NATIVE_ISA="")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("first", np.array([0, 2], np.int32), "int64"),
        ("first", np.array([0, 3]), "number of edges"),
        ("first", np.array([0, 2, 1, 2]), "number of edges"),
        ("first", np.zeros(0, np.int64), r"\(atoms \+ 1,\)"),
        ("r_ij", np.zeros((2, 2)), "shape"),
        ("r_ij", np.zeros((3, 2)).T, "C-contiguous"),
        ("r_ij", np.zeros((2, 3), np.float32), "float64"),
        ("r_ij", [[0.0, 0, 1], [1, 0, 0]], "shape"),
        ("cutoff", np.ones(3), "shape"),
        ("cutoff", np.full(2, 0.1), "twice rmin0"),
        ("weight", np.ones((2, 1)), "shape"),
        ("coefficients", np.ones((1, 4)), "shape"),
        ("coefficients", np.ones(5), "shape"),
        ("species", np.array([1]), "rows of coefficients"),
        ("species", np.array([0, 0]), "shape"),
    ],
)
def test_wrong_arrays_are_refused(kernel, name, value, message):
    k = kernel(two_j_max=2, rmin0=0.2)
    arguments = {
        "first": np.array([0, 2]),
        "r_ij": np.array([[0.0, 0, 1], [1, 0, 0]]),
        "cutoff": np.full(2, 3.0),
        "weight": np.ones(2),
        "coefficients": np.ones((1, 5)),
        "species": np.array([0]),
    }
    k.energies_and_pull(**arguments)
    with pytest.raises(ValueError, match=message):
        k.energies_and_pull(**(arguments | {name: value}))


def test_wrong_slopes_and_parameters_are_refused(kernel):
    k = kernel(two_j_max=2)
    with pytest.raises(ValueError, match="slope"):
        k.pull(np.array([0, 1]), np.ones((1, 3)), np.full(1, 3.0), np.ones(1), np.ones((2, 5)))
    for wrong in (
        {"two_j_max": -1},
        {"two_j_max": 17},
        {"two_j_max": 2, "rfac0": 1.5},
        {"two_j_max": 2, "rmin0": -1.0},
    ):
        with pytest.raises(ValueError, match="must be"):
            kernel(**wrong)


@pytest.mark.parametrize("two_j_max", [0, 1, 3, 8])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_sums_of_the_jacobian(kernel, neighborhoods, two_j_max, threads):
    environment, k, n_blocks = neighborhoods(), kernel(two_j_max=two_j_max), 3
    n_atoms, block = len(environment.first) - 1, species_of(environment, n_blocks)
    neighbor = np.random.default_rng(4).integers(0, n_atoms, len(environment.r_ij))
    structure = np.sort(np.random.default_rng(5).integers(0, 2, n_atoms))
    library.set_threads(threads)
    try:
        features, forces, strain = k.rows(*environment.arrays, neighbor, block, n_blocks, structure, 2)
    finally:
        library.set_threads(0)
    expected, jacobian = k.jacobian(*environment.arrays)
    np.testing.assert_array_equal(features, expected)
    sums, outer = np.zeros((n_atoms, n_blocks, 3, k.n_features)), np.zeros((2, n_blocks, 3, 3, k.n_features))
    np.add.at(sums, (environment.center, block[environment.center]), jacobian)
    np.add.at(sums, (neighbor, block[environment.center]), -jacobian)
    where = structure[environment.center], block[environment.center]
    np.add.at(outer, where, environment.r_ij[:, :, None, None] * jacobian[:, None])
    np.testing.assert_allclose(forces, sums.transpose(0, 2, 1, 3), rtol=0, atol=1e-13 * abs(jacobian).max() * 30)
    six = np.stack([outer[:, :, a, b] for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))], axis=1)
    np.testing.assert_allclose(strain, six, rtol=0, atol=1e-12 * max(abs(six).max(), 1e-3))


def test_rows_refuse_indices_that_lead_nowhere(kernel, neighborhoods):
    environment, k = neighborhoods(), kernel(two_j_max=2)
    n_atoms, n_edges = len(environment.first) - 1, len(environment.r_ij)
    good, block = np.zeros(n_edges, np.int64), np.zeros(n_atoms, np.int64)
    with pytest.raises(ValueError, match="neighbor"):
        k.rows(*environment.arrays, good + n_atoms, block, 1, block, 1)
    with pytest.raises(ValueError, match="block"):
        k.rows(*environment.arrays, good, block + 1, 1, block, 1)
    with pytest.raises(ValueError, match="structure"):
        k.rows(*environment.arrays, good, block, 1, block + 1, 1)
