"""Calibration: errors drawn from the stated uncertainty pass; shuffled, constant and absent uncertainties are found."""

import numpy as np
import pytest
import torch
from ase import Atoms
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts import Committee, Potential, Terms
from cambrian.contracts.engine import spread_of
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors
from cambrian.validate import calibration
from cambrian.validate.calibration import Calibrated, Calibration, miscalibration, rank_correlation


class Tilted(Potential):
    """A pair energy, slope times distance: members that disagree by their slope alone."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope, self.cutoff = slope, 5.0

    def forward(self, graph):
        pulled = 0.5 * self.slope * graph.r_ij.norm(dim=-1) ** 2
        return Terms.of_atoms(sum_over_neighbors(pulled, graph), graph)

    @classmethod
    def example(cls):
        return cls(1.0)


def committee() -> Committee:
    return Committee([Tilted(slope) for slope in (0.9, 1.0, 1.1)])


def labelled(n=40, *, over=1.0) -> Dataset:
    """Pairs at many distances whose true slope is not that of the mean: errors grow like the spread."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        r = rng.uniform(0.5, 4.5)
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        slope = 1.0 + over * rng.normal(0, np.std([0.9, 1.0, 1.1]))
        force = 2 * slope * r * direction
        atoms = Atoms("Ar2", positions=[[0, 0, 0], r * direction])
        found.append(Structure(atoms, energy=slope * r**2, forces=np.array([force, -force])))
    return Dataset(found)


def drawn(n=4000, *, factor=1.0, seed=0):
    rng = np.random.default_rng(seed)
    sigma = rng.lognormal(0, 0.8, n)
    return factor * sigma * rng.normal(size=n), sigma


def test_true_uncertainties_are_calibrated():
    errors, sigma = drawn()
    assert miscalibration(errors, sigma) < 0.015
    assert miscalibration(errors, 1e6 * sigma) == pytest.approx(0.49, abs=0.011)
    found = Calibrated(*drawn(factor=3.0), np.arange(4000) % 2 == 0).figures()
    assert found["scale"] == pytest.approx(3.0, rel=0.05)
    assert found["area"] > 0.2
    assert found["area_scaled"] < 0.02
    assert found["rank_correlation"] == pytest.approx(spearmanr(sigma, np.abs(errors)).statistic, abs=0.05)


def test_ranks_are_spearmans():
    a, b = np.random.default_rng(1).integers(0, 9, (2, 200)).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, rel=1e-12)
    assert rank_correlation(a, np.ones(200)) == 0.0


@pytest.mark.parametrize("fault", ["shuffled", "constant", "certain"])
def test_planted_faults_are_found(fault):
    errors, sigma = drawn()
    sigma = {
        "shuffled": np.random.default_rng(2).permutation(sigma),
        "constant": np.full_like(sigma, 2.0),
        "certain": np.zeros_like(sigma),
    }[fault]
    figures = Calibrated(errors, sigma, np.arange(4000) % 2 == 0).figures()
    assert Calibration()._judged("force", figures)[0] == "failed"


def test_a_committee_whose_spread_is_its_error():
    heard = []
    result = Calibration().run(committee(), labelled(over=2.0), progress=heard.append)
    assert result.verdict == "passed"
    assert 1.2 < result.figures["scale"] < 3.5
    assert set(result.figures["kinds"]) == {"energy", "force"}
    assert heard[-1] == 1.0
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_shuffled_committee_is_found(monkeypatch):
    def shuffled(potential):
        real = spread_of(potential)

        def spread_by(graph):
            spread = real(graph)
            draw = torch.rand(1, generator=torch.Generator().manual_seed(int(1e6 * graph.r_ij.abs().sum())))
            return type(spread)(spread.energy * 0 + draw, spread.forces * 0 + draw.double() ** 3)

        return spread_by

    monkeypatch.setattr(calibration, "spread_of", shuffled)
    assert Calibration().run(committee(), labelled()).verdict == "failed"


def test_what_it_cannot_judge():
    assert Calibration().run(committee(), labelled(2)).verdict == "no reference"
    alone = LennardJones(epsilon=0.01, sigma=3.4)
    assert "uncertainty" in Calibration().unsuited(alone, labelled(2), None)
    assert Calibration().unsuited(committee(), labelled(2), None) == ""
    bare = Dataset([Structure(Atoms("Ar"))])
    assert "labelled" in Calibration().unsuited(committee(), bare, None)
    with pytest.raises(UserError, match="labelled structures"):
        Calibration().run(committee())
    with pytest.raises(UserError, match="too few energies and forces"):
        Calibration().run(committee(), Dataset([Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 3]]))]))


def test_forces_that_symmetry_makes_nought_tell_nothing():
    """Two thirds of the components of pairs along x are nought, and so is their uncertainty."""
    data = labelled(60)
    along = [Structure(Atoms("Ar2", [[0, 0, 0], [np.linalg.norm(s.atoms.positions[1]), 0, 0]])) for s in data]
    sizes = [np.linalg.norm(s.forces[0]) for s in data]
    forces = [np.array([[f, 0, 0], [-f, 0, 0]]) for f in sizes]
    pairs = [Structure(s.atoms, energy=d.energy, forces=f) for s, d, f in zip(along, data, forces, strict=True)]
    result = Calibration().run(committee(), Dataset(pairs))
    assert result.figures["kinds"]["force"]["n"] == 2 * len(data)
    assert result.figures["scale"] is not None


def test_one_structure_cannot_be_parted():
    with pytest.raises(UserError, match="two labelled structures"):
        Calibration().run(committee(), labelled(1))
