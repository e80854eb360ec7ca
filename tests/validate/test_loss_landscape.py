"""The landscape of a linear potential is a paraboloid whose curvature is known."""

import numpy as np
import pytest
import torch
from ase import Atoms
from matplotlib.figure import Figure
from torch import nn

from cambrian.classical.element_shifts import ElementShifts
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors
from cambrian.validate.loss_landscape import LossLandscape, directions, largest_curvature


class Powers(Potential):
    """E = Σ_pairs Σ_k c_k (scale r/3)^k, or a tanh of it for each atom."""

    def __init__(self, n: int, *, scale: float = 1.0, bent: bool = False):
        super().__init__()
        self.scale, self.bent, self.cutoff = scale, bent, 5.0
        self.coefficients = nn.Parameter(torch.linspace(1, 2, n, dtype=torch.float64) / scale)

    def basis(self, graph):
        r = graph.r_ij.norm(dim=-1)[:, None] / 3
        return self.scale * sum_over_neighbors(0.5 * r ** torch.arange(len(self.coefficients)), graph)

    def forward(self, graph):
        energies = self.basis(graph.within(self.cutoff)) @ self.coefficients
        return Terms.of_atoms(torch.tanh(0.1 * energies) if self.bent else energies, graph)

    @classmethod
    def example(cls):
        return cls(3)


def labelled(n=12, *, forces=True) -> Dataset:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        atoms = Atoms("Ar3", positions=rng.uniform(0, 3, (3, 3)))
        found.append(Structure(atoms, energy=rng.normal(), forces=rng.normal(size=(3, 3)) if forces else None))
    return Dataset(found)


def expected_hessian(potential, data):
    rows = []
    for graph in data.graphs(potential.cutoff):
        rows.append(potential.basis(graph).sum(dim=0) / graph.n_atoms)
    matrix = torch.stack(rows).detach().numpy()
    return 2 * matrix.T @ matrix / len(rows)


@pytest.mark.parametrize("n", [4, 45])
def test_curvature_of_a_linear_potential(n):
    potential, data = Powers(n), labelled()
    known = np.linalg.eigvalsh(expected_hessian(potential, data))[-1]
    result = LossLandscape(n_points=3).run(potential, data)
    assert result.figures["largest_curvature"] == pytest.approx(known, rel=1e-4)
    size = float(potential.coefficients.detach().square().sum())
    assert result.figures["sharpness"] == pytest.approx(known * size, rel=1e-4)


def test_the_landscape_of_a_linear_potential_is_a_paraboloid():
    potential, data, heard = Powers(3), labelled(), []
    before = potential.coefficients.detach().clone()
    result = LossLandscape(n_points=5, span=0.5).run(potential, data, progress=heard.append)
    assert torch.equal(potential.coefficients, before)
    for name in ("energy_grid", "force_grid"):
        grid = np.array(result.figures[name])
        for axis in (0, 1):
            bends = np.diff(grid, 2, axis=axis)
            np.testing.assert_allclose(bends, bends[0, 0], rtol=1e-8)
            assert bends[0, 0] > 0
    d = directions([before], torch.Generator().manual_seed(0))[0]
    assert float(d.norm()) == pytest.approx(float(before.norm()))
    bend = float(d.numpy() @ expected_hessian(potential, data) @ d.numpy()) * 0.25**2
    assert np.diff(np.array(result.figures["energy_grid"]), 2, axis=0)[0, 0] == pytest.approx(bend, rel=1e-8)
    assert result.verdict == "no reference"
    assert "less loss" in result.sentence  # random labels: the fit is not at the bottom
    assert heard[-1] == 1.0
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_sharpness_is_free_of_scale_and_judged_where_asked():
    data = labelled(forces=False)
    check = LossLandscape(n_points=3)
    plain, scaled = (check.run(Powers(3, scale=s), data).figures for s in (1.0, 10.0))
    assert scaled["sharpness"] == pytest.approx(plain["sharpness"], rel=1e-9)
    assert scaled["largest_curvature"] == pytest.approx(100 * plain["largest_curvature"], rel=1e-9)
    assert plain["force_loss"] is None
    tolerated = 1.1 * plain["sharpness"]
    assert LossLandscape(n_points=3, sharpness=tolerated).run(Powers(3), data).verdict == "passed"
    assert LossLandscape(n_points=3, sharpness=tolerated).run(Powers(6), data).verdict == "failed"


def test_a_bent_loss_is_differentiated_twice():
    potential, data = Powers(3, bent=True), labelled(5, forces=False)
    graphs = list(data.graphs(5.0))

    def loss(c):
        with torch.no_grad():
            potential.coefficients.copy_(c)
            found = [float(potential(g).energy[0] - s.energy) / 3 for g, s in zip(graphs, data, strict=True)]
        return np.mean(np.square(found))

    c, h = potential.coefficients.detach().clone(), 1e-4
    steps = h * torch.eye(3, dtype=torch.float64)
    hessian = [
        [(loss(c + a + b) - loss(c + a - b) - loss(c - a + b) + loss(c - a - b)) / (4 * h * h) for a in steps]
        for b in steps
    ]
    loss(c)
    result = LossLandscape(n_points=3).run(potential, data)
    assert result.figures["largest_curvature"] == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-4)


def test_refusals():
    with pytest.raises(UserError, match="file with energies"):
        LossLandscape().run(Powers(3))
    with pytest.raises(UserError, match="odd number"):
        LossLandscape(n_points=4)
    assert "no weights" in LossLandscape().unsuited(ElementShifts.example(), labelled(), None)
    assert largest_curvature([], [torch.ones(3)]) == 0.0
