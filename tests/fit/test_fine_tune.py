"""A fit that goes on: what it starts from, what it forgets, and what replaying old data keeps."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.morse import MorsePotential

from cambrian import Dataset, Structure, load
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.configuration import Recipe, Setting
from cambrian.contracts.archive import save
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.descriptors.acsf import ACSF, Radial
from cambrian.errors import UserError
from cambrian.fit import WarmStart, fit
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.math.symmetry_grids import GasteggerShifted
from cambrian.recipes.snap import snap
from cambrian.regressors.neural import NeuralRegressor
from cambrian.report.words import careful


def argon(lattice: float, n_frames: int = 12, *, seed: int = 0) -> Dataset:
    """Rattled fcc with the forces of a Morse curve, at one density."""
    rng = np.random.default_rng(seed)
    structures = []
    for k in range(n_frames):
        atoms = bulk("Ar", "fcc", a=lattice, cubic=True)
        atoms.positions += rng.normal(0, 0.12, atoms.positions.shape)
        atoms.calc = MorsePotential(epsilon=0.05, r0=3.8, rho0=5.0, rcut1=6.0, rcut2=7.5)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = None
        structures.append(Structure(atoms, **labels, source=f"a{lattice}.xyz", frame=k))
    return Dataset(structures)


LOOSE, DENSE = argon(5.6), argon(4.9, seed=1)


def network(epochs: int) -> tuple:
    solver = GradientDescent(learning_rate=2e-2, epochs=epochs, batch_size=4, energy_weight=5.0)
    descriptor = ACSF(cutoff=5.0, functions=[Radial(GasteggerShifted(6, first=2.5))])
    return IsolatedAtoms() + DescriptorPotential(descriptor, NeuralRegressor(hidden=(8,), whitening=1e-2)), solver


def gently() -> GradientDescent:
    """Small steps, judged on a quarter of the few structures."""
    return GradientDescent(learning_rate=2e-3, epochs=80, batch_size=4, energy_weight=5.0, validation_fraction=0.25)


def linear(ridge: float = 1e-8) -> tuple:
    return snap(two_j_max=4, cutoff=5.0, repulsion=None, solver=LeastSquares(energy_weight=5.0, ridge=ridge))


@pytest.fixture(scope="module")
def networks():
    """A network that knows argon at low density."""
    return fit(network(60)[0], LOOSE, network(60)[1]).potential


@pytest.fixture(scope="module")
def expansion():
    """The same by least squares."""
    return fit(linear()[0], LOOSE, linear()[1]).potential


def force_rmse(result, name: str) -> tuple[float, float]:
    figures = result.metrics()["start"][name]
    return figures["before"]["force_rmse"], figures["after"]["force_rmse"]


@pytest.mark.parametrize(
    ("start", "solver", "forgotten", "kept"), [("networks", gently(), 4, 3), ("expansion", linear()[1], 1000, 10)]
)
def test_replay_keeps_what_fine_tuning_alone_forgets(start, solver, forgotten, kept, request):
    """On new data the force RMSE falls by half at least; on old data it rises above `forgotten`, or below `kept`."""
    potential = request.getfixturevalue(start)
    forgetful = fit(deepcopy(potential), DENSE, solver, warm=WarmStart(LOOSE, replay_weight=0.0, rate=1.0))
    mindful = fit(deepcopy(potential), DENSE, solver, warm=WarmStart(LOOSE, replay_weight=2.0, rate=1.0))
    for result in (forgetful, mindful):
        before, after = force_rmse(result, "new")
        assert after < 0.5 * before
    before, alone = force_rmse(forgetful, "old")
    assert force_rmse(mindful, "old")[0] == before
    assert alone > forgotten * before
    assert force_rmse(mindful, "old")[1] < kept * before
    assert any("it forgets" in sentence for sentence in careful(forgetful, []))


def test_a_ridge_holds_a_linear_fit_near_its_start(expansion):
    """With a heavy ridge the coefficients stay; with a light one they learn the new data and forget less of the old."""
    held = fit(deepcopy(expansion), DENSE, linear(1e12)[1], warm=WarmStart()).potential
    torch.testing.assert_close(coefficients(held), coefficients(expansion), rtol=1e-9, atol=1e-9)
    free, held = (fit(deepcopy(expansion), DENSE, linear(r)[1], warm=WarmStart(LOOSE, 0.0)) for r in (1e-8, 1e-5))
    assert force_rmse(held, "old")[1] < 0.3 * force_rmse(free, "old")[1]
    assert force_rmse(held, "new")[1] < 0.5 * force_rmse(held, "new")[0]


def coefficients(potential) -> torch.Tensor:
    (view,) = [term.linear() for term in potential.terms() if term.linear() is not None]
    return view.coefficients


def test_no_epochs_leave_the_start_as_it_is(networks):
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    result = fit(deepcopy(networks), DENSE, network(0)[1], warm=WarmStart(LOOSE))
    after = result.potential.state_dict()
    ranges = {name for name in before if name.endswith((".lowest", ".highest"))}
    assert all(torch.equal(before[name], after[name]) for name in before.keys() - ranges)
    lowest = [name for name in ranges if name.endswith(".lowest")]
    assert lowest
    assert all((after[name] < before[name]).any() for name in lowest), "ranges reach over the new data too"
    assert result.metrics()["start"]["new"]["before"] == result.metrics()["start"]["new"]["after"]


def test_training_that_only_gets_worse_ends_where_it_began(networks):
    wild = GradientDescent(learning_rate=50.0, epochs=2, batch_size=4, clip=None)
    result = fit(deepcopy(networks), LOOSE, wild, validation=LOOSE, warm=WarmStart(rate=1.0))
    after = result.potential.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in networks.state_dict().items())


def test_replay_takes_a_part_and_weighs_it():
    joined = WarmStart(LOOSE, replay_weight=0.5, replay_fraction=0.25).joined(DENSE, seed=3)
    assert len(joined) == len(DENSE) + 3
    assert [s.weights for s in joined][-3:] == [{"energy": 0.5, "force": 0.5, "stress": 0.5}] * 3
    assert WarmStart(LOOSE, replay_weight=0.0).joined(DENSE, seed=3) is DENSE
    with pytest.raises(UserError, match="replay_fraction is above 0"):
        WarmStart(LOOSE, replay_fraction=0.0)


@pytest.mark.parametrize("part", ["train", "test", "replay"])
def test_an_element_the_start_does_not_know_is_refused_by_name(part, expansion):
    atoms = DENSE[4].atoms.copy()
    atoms.numbers[1] = 36
    odd = Dataset([Structure(atoms, energy=0.0, forces=np.zeros((4, 3)), source="krypton.xyz", frame=4)])
    data = {"train": DENSE, "test": None, "replay": LOOSE} | {part: odd}
    with pytest.raises(UserError, match=r"krypton.xyz, frame 4: holds Kr, which .* does not know \(it knows Ar\)"):
        fit(expansion, data["train"], linear()[1], test=data["test"], warm=WarmStart(data["replay"]))


@pytest.fixture(scope="module")
def saved(expansion, tmp_path_factory) -> str:
    """The expansion in a file that tells its recipe."""
    text = Recipe.of("snap", settings("two_j_max=4", "cutoff=5", "repulsion=null", "solver.ridge=1e-6")).text(seed=0)
    return str(save(expansion, tmp_path_factory.mktemp("start") / "start.safetensors", {"recipe": text}))


def settings(*texts: str) -> list[Setting]:
    return [Setting.parse(text) for text in texts]


def test_the_recipe_is_taken_from_the_start(saved):
    for source, given in (("snap", (f"start={saved}",)), (saved, ())):
        potential, solver = Recipe.of(source, settings(*given, "solver.energy_weight=7")).build()
        assert torch.equal(coefficients(potential), coefficients(load(saved)))
        assert isinstance(solver, LeastSquares)
        assert solver.ridge == 1e-6
        assert solver.weights.energy == 7


def test_another_recipe_is_refused_with_what_differs(saved):
    recipe = Recipe.of("snap", settings(f"start={saved}", "cutoff=4.5"))
    with pytest.raises(UserError, match=r"cutoff is 4.5 in the recipe and 5.0 there"):
        recipe.build()
    with pytest.raises(UserError, match="makes another potential"):
        Recipe.of("lj", settings(f"start={saved}")).build()
    with pytest.raises(UserError, match="'replay' goes with 'start'"):
        Recipe.of("lj", settings("replay=old.xyz"))


def test_a_start_without_a_recipe_goes_with_a_solver(expansion, tmp_path):
    file = save(expansion, tmp_path / "imported.safetensors")
    with pytest.raises(UserError, match="does not say by which recipe"):
        Recipe.of(str(file))
    (tmp_path / "go_on.yaml").write_text(f"start: {file}\nsolver: {{LeastSquares: {{ridge: 1e-3}}}}\n")
    potential, solver = Recipe.of(str(tmp_path / "go_on.yaml")).build()
    assert torch.equal(coefficients(potential), coefficients(expansion))
    assert isinstance(solver, LeastSquares)
    assert solver.ridge == 1e-3


def test_a_recorded_recipe_that_names_code_is_not_run(expansion, tmp_path):
    (tmp_path / "evil.py").write_text("raise RuntimeError('this file was run')\n")
    file = save(expansion, tmp_path / "p.safetensors", {"recipe": f"recipe: {tmp_path}/evil.py:evil\n"})
    with pytest.raises(UserError, match="does not say by which recipe"):
        Recipe.of(str(file))
