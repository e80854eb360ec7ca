"""Drift of the total energy: none for a smooth potential, found where it was planted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk
from matplotlib.figure import Figure

from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.math.time_series import slope_with_error
from cambrian.validate.nve_drift import NVEDrift


def argon(a=5.3):
    return Dataset([Structure(bulk("Ar", cubic=True, a=a))])


def lennard_jones():
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0)


class Leaky(Potential):
    """Lennard-Jones whose energy grows with each evaluation, as if forces were not its derivative."""

    def __init__(self, leak: float):
        super().__init__()
        self.inner, self.leak, self.n_calls = lennard_jones(), leak, 0
        self.cutoff, self.elements = self.inner.cutoff, self.inner.elements

    def forward(self, graph):
        self.n_calls += 1
        terms = self.inner(graph)
        return Terms(terms.energy + self.leak * self.n_calls * torch.ones_like(terms.energy))

    @classmethod
    def example(cls):
        return cls(0.0)


def test_a_smooth_potential_does_not_drift():
    check = NVEDrift(temperature_K=40, n_steps=400, timestep_fs=4.0, every=4, equilibration_fs=200, repeat=(2, 1, 1))
    heard = []
    result = check.run(lennard_jones(), argon(), progress=heard.append)
    figures = result.figures
    assert result.verdict == "passed"
    assert abs(figures["drift"]) < 3 * figures["drift_error"] + 1e-7
    assert figures["fluctuation"] < 1e-4
    assert figures["momentum"] < 1e-12
    assert figures["n_atoms"] == 8
    assert figures["duration_ps"] == pytest.approx(1.6)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert "meV/atom/ps" in result.sentence
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_planted_leak_is_found():
    leak = 4 * 2e-3 * 0.004  # eV per step of 4 fs: 2 meV/atom/ps on four atoms
    check = NVEDrift(temperature_K=40, n_steps=240, timestep_fs=4.0, every=4, equilibration_fs=40)
    result = check.run(Leaky(leak), argon())
    assert result.verdict == "failed"
    assert result.figures["drift"] == pytest.approx(2e-3, rel=0.05)
    assert result.figures["drift_error"] < 2e-4


def test_a_run_too_short_to_tell_passes_nothing():
    times = np.arange(0.0, 1.0, 0.02)
    run = SimpleNamespace(
        atoms=argon().structures[0].atoms,
        figures={"time_fs": 1000 * times, "temperature_K": 300 + 0 * times},
        total_energy=0.1 * np.random.default_rng(0).normal(size=len(times)),
    )
    told = NVEDrift(drift=1e-4)._judged(run)
    assert told.verdict == "no reference"
    assert "too short to tell" in told.sentence


def test_the_error_of_a_drift_is_that_of_correlated_data():
    times = np.arange(0, 10, 0.01)
    slow = 1e-3 * np.sin(2 * np.pi * times / 0.7)  # what a thermal oscillation leaves in the energy
    noisy = slow + 1e-5 * np.random.default_rng(0).normal(size=len(times))
    slope, error, _ = slope_with_error(times, noisy + 5e-5 * times)
    assert abs(slope - 5e-5) < 3 * error


def test_a_run_that_breaks_fails_in_words():
    result = NVEDrift(temperature_K=40, n_steps=100, timestep_fs=2.0, equilibration_fs=0.0).run(
        lennard_jones(), argon(a=2.2)
    )
    assert result.verdict == "failed"
    assert "the run broke: at constant energy it stopped after" in result.sentence


def test_what_it_makes_no_sense_for():
    assert "give a file" in NVEDrift().unsuited(lennard_jones(), None, None)
    assert "single atom" in NVEDrift().unsuited(lennard_jones(), Dataset([Structure(bulk("Ar"))]), None)
    assert NVEDrift().unsuited(lennard_jones(), argon(), None) == ""


def test_refusals():
    with pytest.raises(UserError, match="give one after the potential"):
        NVEDrift.example().run(lennard_jones())
    with pytest.raises(UserError, match="ten rows"):
        NVEDrift(n_steps=50)
