"""Every sampler from the catalogue, and what each promises: counts, distances, equipartition, resuming, seeds."""

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from odd_calculators import Springs

from cambrian.classical.lennard_jones import LennardJones
from cambrian.configuration.kinds import named
from cambrian.contracts.committee import Committee
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.sampler import Sampler
from cambrian.data import Dataset, Structure, read
from cambrian.errors import UserError
from cambrian.sample.dimers import Dimers
from cambrian.sample.dynamics import ThermalMotion
from cambrian.sample.ensembles import NVE, NVT
from cambrian.sample.interstitials import Interstitials
from cambrian.sample.normal_modes import HarmonicMotion, normal_modes
from cambrian.sample.plumed import Plumed
from cambrian.sample.rattle import Rattle
from cambrian.sample.vacancies import Vacancies
from cambrian.sample.volume_scan import VolumeScan
from cambrian.units import BOLTZMANN


class By(Labeller):
    """A calculator as a reference method; `made` counts how often one was asked for."""

    level = "test"

    def __init__(self, make=Springs):
        self.make, self.made = make, []

    @property
    def arguments(self):  # nothing a configuration could hold
        return {}

    @arguments.setter
    def arguments(self, value):
        pass

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        raise NotImplementedError

    def calculator(self, *, total_charge=0.0, spin=0.0):
        self.made.append(self.make())
        return self.made[-1]


def chain():
    atoms = Atoms("Ne5", np.random.default_rng(0).normal(scale=0.2, size=(5, 3)))
    return Dataset([Structure(atoms, total_charge=1.0)])


def copper():
    return Dataset([Structure(bulk("Cu", cubic=True))])


def pair(epsilon):
    return LennardJones(epsilon={"Cu": epsilon}, sigma={"Cu": 2.2}, cutoff=5.0)


@pytest.mark.parametrize("name", [n for n, cls in named(Sampler).items() if cls is not Plumed])
def test_every_example_proposes_and_its_seed_decides(name):
    sampler = named(Sampler)[name].example()
    driver = Committee([pair(0.4), pair(0.38)]) if sampler.needs_driver else None
    drawn = [sampler.propose(copper(), driver, seed=3) for _ in range(2)]
    assert len(drawn[0]) >= 1
    assert all(a.info["config_type"] and a.calc is None for a in drawn[0])
    for a, b in zip(*drawn, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        np.testing.assert_array_equal(a.cell.array, b.cell.array)
    if name not in ("volume_scan", "dimers"):
        other = sampler.propose(copper(), driver, seed=4)
        same = [
            len(a) == len(b) and np.array_equal(a.positions, b.positions) for a, b in zip(drawn[0], other, strict=False)
        ]
        assert not all(same)
    with pytest.raises(UserError, match="at least one structure"):
        sampler.propose(Dataset([]), driver)


def test_structures_stand_an_interval_apart_after_equilibration(tmp_path):
    sampler = ThermalMotion(NVT(300), n=6, interval_fs=10, timestep_fs=2.0, equilibration_fs=35)
    drawn = sampler.propose(chain(), By(), seed=3)
    assert len(drawn) == 6
    assert all(a.info == {"total_charge": 1.0, "spin": 0.0, "config_type": "NVT 300 K"} for a in drawn)
    assert not any(a.has("momenta") or "forces" in a.arrays for a in drawn)
    again = sampler.propose(chain(), By(), seed=3, folder=tmp_path)
    times = [s.atoms.info["time_fs"] for s in read(tmp_path / "nvt-300-k-0.extxyz")]
    assert times[-6:] == [40, 50, 60, 70, 80, 90]
    for a, b in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    settings = {"interval_fs": 4.0, "timestep_fs": 2.0, "equilibration_fs": 4.0}
    few = ThermalMotion(n=3, **settings).propose(chain(), By(), seed=1, folder=tmp_path / "parts")
    method = By()
    more = ThermalMotion(n=8, **settings).propose(chain(), method, seed=1, folder=tmp_path / "parts")
    assert method.made[0].n_calls < 16
    whole = ThermalMotion(n=8, **settings).propose(chain(), By(), seed=1)
    for a, b in zip(few, more[:3], strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
    for a, b in zip(more, whole, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_each_temperature_has_a_run_of_its_own():
    settings = {"n": 40, "interval_fs": 40.0, "timestep_fs": 8.0, "equilibration_fs": 800.0}
    ensemble = NVT(50.0, relaxation_fs=20.0)
    drawn = ThermalMotion(ensemble, temperatures_K=(100.0, 400.0), **settings).propose(chain(), By(), seed=1)
    energies = {}
    for a in drawn:
        a.calc = Springs()
        energies.setdefault(a.info["config_type"], []).append(a.get_potential_energy())
    assert list(energies) == ["NVT 100 K", "NVT 400 K"]
    for temperature, values in zip((100, 400), energies.values(), strict=True):
        assert np.mean(values) == pytest.approx(6 * BOLTZMANN * temperature, rel=0.3)  # 12 modes of ½ k T


def test_a_run_that_breaks_gives_what_is_sound_and_says_so(caplog):
    settings = {"interval_fs": 10, "timestep_fs": 1.0, "equilibration_fs": 20}
    with caplog.at_level(logging.WARNING, "cambrian"):
        drawn = ThermalMotion(NVE(300), n=10, **settings).propose(chain(), By(lambda: Springs(breaks_at=48)))
    assert len(drawn) == 3
    assert "gave 3 structures: it stopped after 47 fs" in caplog.text
    with pytest.raises(UserError, match="every run broke too early"):
        ThermalMotion(NVE(300), n=10, **settings).propose(chain(), By(lambda: Springs(breaks_at=8)))


def test_a_driver_that_is_missing_or_has_no_calculator_is_told():
    with pytest.raises(UserError, match="give a potential or a reference method"):
        ThermalMotion(n=1).propose(chain())

    class LabelsOnly(By):
        calculator = Labeller.calculator

    with pytest.raises(UserError, match="offers no calculator"):
        ThermalMotion(n=1).propose(chain(), LabelsOnly())


def test_normal_modes_relax_first_and_hold_half_kT_each(tmp_path):
    start = bulk("Cu", cubic=True)
    start.rattle(0.1, seed=1)
    sampler = HarmonicMotion(n=200, temperatures_K=(5.0,))
    drawn = sampler.propose(Dataset([Structure(start)]), By(EMT), seed=1, folder=tmp_path)
    n_files = len(list((tmp_path / "forces").iterdir()))
    assert n_files > 24
    idle = By(lambda: Springs(breaks_at=1, how="raise"))  # every result is on disk
    again = sampler.propose(Dataset([Structure(start)]), idle, seed=1, folder=tmp_path)
    assert len(list((tmp_path / "forces").iterdir())) == n_files
    np.testing.assert_array_equal(drawn[7].positions, again[7].positions)
    relaxed = sampler._relaxed(start, EMT(), 0)
    n_modes = 9
    assert (normal_modes(relaxed, EMT()).curvatures > 0).sum() == n_modes
    energies = []
    for a in [relaxed, *drawn]:
        a.calc = EMT()
        energies.append(a.get_potential_energy())
    expected = n_modes * 0.5 * BOLTZMANN * 5.0
    error = expected * np.sqrt(2 / (n_modes * len(drawn)))
    assert np.mean(energies[1:]) - energies[0] == pytest.approx(expected, abs=5 * error)


def test_rattle_has_the_spread_and_the_volumes_it_says():
    start = Dataset([Structure(bulk("Cu", cubic=True) * 2)])
    drawn = Rattle(n=30, sigma=0.05).propose(start, seed=1)
    moved = np.array([a.positions for a in drawn]) - start[0].atoms.positions
    n = moved.size
    assert moved.std() == pytest.approx(0.05, abs=5 * 0.05 / np.sqrt(2 * n))
    assert abs(moved.mean()) < 5 * 0.05 / np.sqrt(n)
    volumes = [
        a.get_volume() / start[0].atoms.get_volume() for a in Rattle(n=200, sigma=0.0, volume=0.2).propose(start)
    ]
    assert 0.8 <= min(volumes) < 0.83
    assert 1.17 < max(volumes) <= 1.2


def test_vacancies_are_all_different():
    start = Dataset([Structure(bulk("NaCl", "rocksalt", a=5.6, cubic=True))])
    drawn = Vacancies(n=100, element="Na").propose(start, seed=1)
    assert len(drawn) == 4  # as many as there are ways
    assert all(a.get_chemical_formula() == "Cl4Na3" for a in drawn)
    two = Vacancies(n=10, n_removed=2).propose(start, seed=1)
    assert len({a.positions.tobytes() + a.numbers.tobytes() for a in two}) == 10
    assert all(len(a) == 6 for a in two)
    with pytest.raises(UserError, match="too few to take 5"):
        Vacancies(n_removed=5, element="Na").propose(start)


def test_interstitials_keep_their_distance():
    drawn = Interstitials("H", n=10, n_added=2, closest=0.8).propose(copper(), seed=1)
    for a in drawn:
        assert a.get_chemical_formula() == "H2Cu4"
        assert a.get_distances(4, range(4), mic=True).min() > 0.8 * (1.32 + 0.31)
        assert a.get_distance(4, 5, mic=True) > 0.8 * 0.62
    with pytest.raises(UserError, match="has no room for Cs"):
        Interstitials("Cs").propose(copper())
    with pytest.raises(UserError, match="need a structure with a cell"):
        Interstitials("H").propose(Dataset([Structure(molecule("H2O"))]))


def test_volumes_are_even_and_dimers_cover_every_pair():
    drawn = VolumeScan(n=5, spread=0.1).propose(copper())
    np.testing.assert_allclose([a.get_volume() / 3.61**3 for a in drawn], [0.9, 0.95, 1.0, 1.05, 1.1])
    pairs = Dimers(n=4, farthest=5.0).propose(Dataset([Structure(molecule("H2O"))]))
    assert [a.info["config_type"] for a in pairs[::4]] == ["dimer H-H", "dimer H-O", "dimer O-O"]
    assert [a.info["spin"] for a in pairs[::4]] == [0, 1, 0]
    assert pairs[0].get_distance(0, 1) == pytest.approx(0.6 * 2 * 0.31)
    assert pairs[3].get_distance(0, 1) == pytest.approx(5.0)
