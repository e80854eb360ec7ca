"""Adversarial attack on a committee: structures moved to where it disagrees and yet believes (see `attack`).

Attacks start from structures of low energy, climb log L with Adam along the coordinates of a motion, and are thrown
away where they end too high, with atoms too close, or like another.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.data.labelling import charge_and_spin
from cambrian.errors import UserError
from cambrian.graph import Graph, batch, graph_of
from cambrian.sample.attack import Opinions, attack_on, climb, members_of
from cambrian.sample.motions import Displacements, Motion
from cambrian.sample.starting import drawn_from, seed_of, starting, too_close

log = logging.getLogger("cambrian")
ATOMS_PER_BATCH = 512
AGREED = 1e-8  # eV/Å: members that differ by less are the same


class AdversarialAttack(Sampler):
    """Up to `n` structures of low energy on which the members of a committee disagree about forces.

    Attacks begin at the starts, those of lowest energy first, and climb `n_steps` along the coordinates of `motion`
    (Displacements of all atoms, Torsions of a molecule); a lower `temperature_K` stays nearer to low energies.
    Structures higher than `highest` eV/atom above the lowest start of their composition are thrown away, those with
    atoms nearer than `closest` times their covalent distance, and those whose sorted distances differ by less than
    `distinct` Å (rms) from another's.
    """

    def __init__(
        self,
        *,
        n: int = 20,
        temperature_K: float = 600.0,
        n_steps: int = 100,
        motion: Motion = Displacements(),  # noqa: B008 - immutable
        closest: float = 0.6,
        highest: float = 1.0,
        distinct: float = 0.02,
    ):
        if n < 1 or n_steps < 1 or not temperature_K > 0:
            raise UserError("an attack needs n, n_steps and temperature_K above 0")
        self.n, self.temperature_K, self.n_steps, self.motion = n, temperature_K, n_steps, motion
        self.closest, self.highest, self.distinct = closest, highest, distinct

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Attack; `info` tells `force_spread` (eV/Å, root of σ_F²) and `energy_above` (eV/atom, by the committee).

        Raises UserError where the driver is no committee, its members agree, or nothing passes.
        """
        members, starts = members_of(driver), starting(start)
        energies = mean_energies(members, starts)
        lowest = lowest_of_composition(starts, energies)
        excess = (energies - lowest) / np.array([len(a) for a in starts])
        order = np.argsort(excess, kind="stable")
        chosen = [int(order[k % len(order)]) for k in range(self.n)]
        found: list[Atoms] = []
        for part in in_batches(chosen, starts):

            def said(fraction: float, done: int = len(found), n: int = len(part)) -> None:
                progress("attack", (done + fraction * n) / self.n, f"{done} of {self.n} structures")

            seeded = np.random.default_rng(seed_of(seed, len(found)))
            found += self._attacked([starts[k] for k in part], lowest[part], members, seeded, said)
        return self._passed(found)

    def _attacked(
        self,
        starts: list[Atoms],
        lowest: NDArray,
        members: Sequence[Potential],
        rng: np.random.Generator,
        progress: Callable[[float], None],
    ) -> list[Atoms]:
        """The ends of attacks from these structures, climbed together."""
        moves = [self.motion.of(atoms) for atoms in starts]
        sizes = [size for size, _ in moves]
        floor = torch.from_numpy(lowest)

        def positions(place: Tensor) -> Tensor:
            parts = place.split(sizes)
            return torch.cat([move(part) for (_, move), part in zip(moves, parts, strict=True)])

        def uphill(place: Tensor) -> Tensor:
            place = place.requires_grad_()
            moved = positions(place)
            graph = graph_at(starts, moved, members)
            slope = attack_on(members, graph, self.temperature_K, floor)[2]
            return torch.autograd.grad(moved, place, slope)[0]

        first = self.motion.sigma * torch.from_numpy(rng.normal(size=sum(sizes)))
        rate = self.motion.learning_rate
        end = positions(climb(first, uphill, n_steps=self.n_steps, learning_rate=rate, progress=progress))
        said = attack_on(members, graph_at(starts, end, members), self.temperature_K, floor)[0]
        return reported(starts, end, said, lowest)

    def _passed(self, found: list[Atoms]) -> list[Atoms]:
        if max(a.info["force_spread"] for a in found) < AGREED:
            raise UserError(
                "the members of the committee agree everywhere: they are the same potential; fit them with different "
                "seeds or on different parts of the data"
            )
        sound = [a for a in found if a.info["energy_above"] < self.highest and not too_close(a, self.closest)]
        if not sound:
            raise UserError(
                f"each of {len(found)} attacks ended above {self.highest} eV/atom or with atoms too close: lower "
                "temperature_K or learning_rate, or raise highest"
            )
        kept = distinct(sound, self.distinct)
        log.info("%d attacks, %d of them sound, %d distinct", len(found), len(sound), len(kept))
        return kept

    @classmethod
    def example(cls) -> "AdversarialAttack":
        """Two short attacks."""
        return cls(n=2, n_steps=5)


def graph_at(starts: list[Atoms], positions: Tensor, members: Sequence[Potential]) -> Graph:
    """The batch of the starts with their atoms at `positions` (atoms of all, 3)."""
    cutoff = max(m.cutoff for m in members)
    graphs, places = [], positions.detach().numpy()
    for atoms in starts:
        moved = atoms.copy()
        moved.positions, places = places[: len(atoms)], places[len(atoms) :]
        total_charge, spin = charge_and_spin(atoms.info)
        graphs.append(graph_of(moved, cutoff, total_charge=total_charge, spin=spin))
    return batch(graphs)


def mean_energies(members: Sequence[Potential], starts: list[Atoms]) -> NDArray:
    """Energy of each structure in eV, the mean of the members."""
    means = []
    for atoms in starts:
        graph = graph_at([atoms], torch.from_numpy(atoms.positions), members)
        with torch.no_grad():
            means.append(np.mean([float(m(graph.within(m.cutoff)).energy[0]) for m in members]))
    return np.array(means)


def lowest_of_composition(starts: list[Atoms], energies: NDArray) -> NDArray:
    """For each structure the lowest energy (eV) among those of its composition."""
    formulas = [a.get_chemical_formula() for a in starts]
    lowest: dict[str, float] = {}
    for formula, energy in zip(formulas, energies, strict=True):
        lowest[formula] = min(energy, lowest.get(formula, np.inf))
    return np.array([lowest[formula] for formula in formulas])


def in_batches(chosen: list[int], starts: list[Atoms]) -> list[list[int]]:
    """Indices of structures in parts of some hundred atoms."""
    parts: list[list[int]] = [[]]
    for k in chosen:
        if parts[-1] and sum(len(starts[j]) for j in [*parts[-1], k]) > ATOMS_PER_BATCH:
            parts.append([])
        parts[-1].append(k)
    return parts


def reported(starts: list[Atoms], positions: Tensor, said: Opinions, lowest: NDArray) -> list[Atoms]:
    """The attacked structures with what the committee says of them."""
    found, places = [], positions.numpy()
    above = said.energy.numpy() - lowest
    for atoms, excess, variance in zip(starts, above, said.force_variance.numpy(), strict=True):
        moved = atoms.copy()
        moved.positions, places = places[: len(atoms)], places[len(atoms) :]
        attacked = drawn_from(atoms, moved, "adversarial")
        attacked.info |= {"force_spread": float(np.sqrt(variance)), "energy_above": float(excess) / len(atoms)}
        found.append(attacked)
    return found


def distinct(structures: list[Atoms], apart: float) -> list[Atoms]:
    """One of each set of structures that are alike, the one of widest spread first."""
    ordered = sorted(structures, key=lambda a: -a.info["force_spread"])
    kept: list[tuple[str, NDArray]] = []
    chosen = []
    for atoms in ordered:
        formula, distances = atoms.get_chemical_formula(), _sorted_distances(atoms)
        if all(f != formula or np.sqrt(np.mean((distances - d) ** 2)) > apart for f, d in kept):
            kept.append((formula, distances))
            chosen.append(atoms)
    return chosen


def _sorted_distances(atoms: Atoms) -> NDArray:
    """All distances, sorted within each pair of elements: the same for a structure that was turned or renumbered."""
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    first, second = np.triu_indices(len(atoms), 1)
    pairs = np.sort(np.stack([atoms.numbers[first], atoms.numbers[second]]), axis=0)
    values = distances[first, second]
    return values[np.lexsort((values, pairs[1], pairs[0]))] if len(values) else np.zeros(1)
