import pytest
import torch
from ase.build import bulk

from cambrian.contracts.linear import force_and_stress_rows
from cambrian.graph import batch, graph_of
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.quadratic import QuadraticRegressor

SPECIES = torch.tensor([0, 1, 1, 0, 1])


@pytest.fixture(params=[LinearRegressor, QuadraticRegressor])
def regressor(request):
    generator = torch.Generator().manual_seed(0)
    made = request.param()
    made.setup(torch.zeros(5, 4, dtype=torch.float64), SPECIES, 2)
    with torch.no_grad():
        made.coefficients.copy_(torch.randn(len(made.coefficients), generator=generator, dtype=torch.float64))
    return made


def features(seed: int = 1) -> torch.Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_energy_is_the_basis_times_the_coefficients(regressor):
    basis = regressor.basis(features(), SPECIES)
    assert basis.shape == (5, len(regressor.coefficients))
    torch.testing.assert_close(regressor(features(), SPECIES), basis @ regressor.coefficients)


def test_push_is_the_derivative_of_the_basis(regressor):
    jacobian = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for axis in range(3):
        _, expected = torch.func.jvp(
            lambda f: regressor.basis(f, SPECIES), (features(),), (jacobian[:, axis].contiguous(),)
        )
        torch.testing.assert_close(regressor.push(features(), jacobian, SPECIES)[:, axis], expected)


def test_energies_have_gradients_in_features_and_coefficients(regressor):
    inputs = features().requires_grad_()
    assert torch.autograd.gradcheck(lambda f: regressor(f, SPECIES), (inputs,))
    assert torch.autograd.gradgradcheck(lambda f: regressor(f, SPECIES), (inputs,))
    slope = torch.autograd.grad(regressor(inputs, SPECIES).sum(), regressor.coefficients)[0]
    torch.testing.assert_close(slope, regressor.basis(features(), SPECIES).sum(0))


def test_quadratic_form_is_the_symmetric_matrix_with_one_half():
    regressor = QuadraticRegressor()
    regressor.setup(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([0]), 1)
    alpha = torch.tensor([[2.0, 3.0, 5.0], [3.0, 7.0, 11.0], [5.0, 11.0, 13.0]], dtype=torch.float64)
    beta = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    upper = alpha[tuple(torch.triu_indices(3, 3))]
    with torch.no_grad():
        regressor.coefficients.copy_(torch.cat([torch.tensor([4.0], dtype=torch.float64), beta, upper]))
    B = torch.tensor([1.5, -0.5, 2.5], dtype=torch.float64)
    expected = 4.0 + beta @ B + 0.5 * B @ alpha @ B
    torch.testing.assert_close(regressor(B[None], torch.tensor([0])), expected[None])


def test_lammps_table_has_a_row_per_element(regressor):
    table = regressor.lammps()
    assert table.quadratic is isinstance(regressor, QuadraticRegressor)
    assert table.coefficients.shape == (2, len(regressor.coefficients) // 2)


def test_no_rows(regressor):
    none = torch.zeros(0, dtype=torch.int64)
    assert regressor(torch.zeros(0, 4, dtype=torch.float64), none).shape == (0,)
    empty = torch.zeros(0, 3, 4, dtype=torch.float64)
    assert regressor.push(torch.zeros(0, 4, dtype=torch.float64), empty, none).shape == (
        0,
        3,
        len(regressor.coefficients),
    )


def test_derivative_rows_are_the_sums_of_push(regressor):
    atoms = bulk("NaCl", "rocksalt", a=4.1, cubic=True)
    atoms.rattle(0.1, seed=3)
    graph = batch([graph_of(atoms, 3.2), graph_of(atoms[:3], 4.5)])
    generator = torch.Generator().manual_seed(4)
    G = torch.randn(graph.n_atoms, 4, generator=generator, dtype=torch.float64)
    dG = torch.randn(graph.n_edges, 3, 4, generator=generator, dtype=torch.float64)
    species = (graph.numbers == 17).long()
    expected = force_and_stress_rows(graph, regressor.push(G[graph.center], dG, species[graph.center]))
    for found, wanted in zip(regressor.derivative_rows(graph, G, dG, species), expected, strict=True):
        torch.testing.assert_close(found, wanted)
