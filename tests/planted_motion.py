"""Motion whose transport coefficients are known, drawn from exact distributions, without dynamics."""

import numpy as np
from ase import Atoms
from scipy.signal import lfilter

from cambrian.units import BOLTZMANN, TIME
from cambrian.validate.trajectory import Trajectory

FRICTION = 0.005  # 1/fs


def langevin(n_times, n_particles, *, kT=1.0, mass=1.0, friction=1.0, dt=0.1, seed=0):
    """Positions and velocities of free Langevin particles, drawn from their exact joint distribution over each step."""
    rng = np.random.default_rng(seed)
    kept = np.exp(-friction * dt)
    var_v = kT / mass * (1 - kept**2)
    covariance = kT / (mass * friction) * (1 - kept) ** 2
    var_x = kT / (mass * friction**2) * (2 * friction * dt - 3 + 4 * kept - kept**2)
    lower = np.linalg.cholesky([[var_v, covariance], [covariance, var_x]])
    kicks = np.einsum("ab,b...->a...", lower, rng.normal(size=(2, n_times, n_particles, 3)))
    kicks[0, 0] = np.sqrt(kT / mass) * rng.normal(size=(n_particles, 3))
    velocities = lfilter([1.0], [1.0, -kept], kicks[0], axis=0)
    steps = (1 - kept) / friction * velocities[:-1] + kicks[1, 1:]
    return np.concatenate([np.zeros((1, n_particles, 3)), np.cumsum(steps, axis=0)]), velocities


def free_particles(
    symbols: list[str], *, temperature_K=300.0, n_times=2000, dt=20.0, side=30.0, seed=0
) -> tuple[Trajectory, dict[str, float]]:
    """Independent Langevin particles as a trajectory (fs), and D = kT/(m γ) of every element in Å²/ps."""
    atoms = Atoms(symbols, cell=[side] * 3, pbc=True)
    positions, velocities = np.empty((2, n_times, len(atoms), 3))
    expected = {}
    for k, symbol in enumerate(sorted(set(symbols))):
        mine = [s == symbol for s in symbols]
        mass = atoms.get_masses()[mine][0]
        kT = BOLTZMANN * temperature_K / TIME**2  # amu Å²/fs²
        positions[:, mine], velocities[:, mine] = langevin(
            n_times, sum(mine), kT=kT, mass=mass, friction=FRICTION, dt=dt, seed=100 * seed + k
        )
        expected[symbol] = 1e3 * kT / (mass * FRICTION)
    return trajectory(atoms, dt * np.arange(n_times), positions, velocities), expected


def trajectory(atoms: Atoms, times, positions, velocities, **extras) -> Trajectory:
    """Arrays as a trajectory of atoms in a cell that stays as it is."""
    unknown = np.full(len(times), np.nan)
    cells = np.broadcast_to(atoms.cell.array, (len(times), 3, 3))
    return Trajectory(atoms, times, positions, velocities, cells, unknown, unknown, extras)
