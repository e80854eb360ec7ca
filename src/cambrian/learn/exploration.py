"""Dynamics under watch: a potential goes where it leads, and is stopped where it no longer knows what it does.

Every few steps a trigger judges the structure. Accurate and candidate frames are passed; the run ends at the first that
failed, or where the atoms fly apart. Each run is resumed exactly, so that an interruption changes nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.configurable import Configurable
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress
from cambrian.contracts.trigger import Measure, Trigger
from cambrian.data.dataset import Dataset
from cambrian.data.labelling import charge_and_spin
from cambrian.data.read import read
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.learn.proposal import proposal
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT, Ensemble
from cambrian.sample.starting import drawn_from, seed_of, starting, too_close

UNSURE = "unsure"  # key of the measured value in the frames of a trajectory


@dataclass(frozen=True)
class Explored:
    """What exploring met: structures worth a label, those that failed, and how many frames were judged.

    `n_broken` counts runs whose atoms flew apart between two frames; they count among the failed.
    """

    candidates: Dataset
    failed: Dataset
    n_accurate: int
    n_broken: int
    largest: float  # in the unit of the trigger

    @property
    def n_frames(self) -> int:
        """Frames judged, and runs that broke."""
        return self.n_accurate + len(self.candidates) + len(self.failed) + self.n_broken

    @property
    def accurate_fraction(self) -> float:
        """Part of the frames that the potential is sure of."""
        return self.n_accurate / max(self.n_frames, 1)


class Exploration(Configurable):
    """Runs of dynamics in each of some ensembles, `n_runs` in each, judged every `every` steps.

    `begin` says where runs begin: at structures of `start`, in turn, or at labelled structures drawn at random
    (`known`). Frames with two atoms nearer than `closest` times the sum of their covalent radii count as failed,
    whatever the trigger says.
    """

    def __init__(
        self,
        ensembles: list[Ensemble] = [NVT(300.0)],  # noqa: B006,B008 - never changed
        *,
        n_runs: int = 2,
        n_steps: int = 2000,
        timestep_fs: float = 0.5,
        every: int = 20,
        begin: Literal["start", "known"] = "start",
        closest: float = 0.5,
    ):
        if not ensembles or n_runs < 1:
            raise UserError("exploration needs at least one ensemble and one run in each")
        self.ensembles, self.n_runs, self.begin, self.closest = list(ensembles), n_runs, begin, closest
        self.runs = [Dynamics(e, n_steps=n_steps, timestep_fs=timestep_fs, every=every) for e in ensembles]

    def explore(
        self,
        potential: Potential,
        trigger: Trigger,
        known: Dataset,
        start: Dataset,
        *,
        seed: int,
        folder: Path,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> Explored:
        """Run and judge; trajectories and checkpoints are kept in `folder`.

        known: the structures that the potential was fitted to.
        Raises UserError where the trigger does not suit the potential.
        """
        judge = _Judge(trigger, trigger.measure(potential, known), potential.cutoff, self.closest)
        plans = [(ensemble, dynamics) for ensemble, dynamics in zip(self.ensembles, self.runs, strict=True)]
        runs = [plan for plan in plans for _ in range(self.n_runs)]
        begins = self._begins(start, known, len(runs), seed)
        for k, (atoms, (ensemble, dynamics)) in enumerate(zip(begins, runs, strict=True)):

            def said(_, fraction: float, words: str, k: int = k) -> None:
                progress("explore", (k + fraction) / len(runs), f"run {k + 1} of {len(runs)}: {words}")

            file = folder / f"run-{k:02d}.extxyz"
            atoms.calc = Calculator(potential)
            run = dynamics.run(atoms, seed=seed_of(seed, k), trajectory=file, observe=judge, progress=said)
            group = f"explored {type(ensemble).__name__} {ensemble.temperature_K:g} K"
            judge.sort(file, atoms, group, broken=bool(run.stopped))
        return judge.explored()

    def _begins(self, start: Dataset, known: Dataset, n: int, seed: int) -> list[Atoms]:
        if self.begin == "start":
            found = starting(start)
            return [found[k % len(found)].copy() for k in range(n)]
        found = starting(known)
        return [found[k].copy() for k in np.random.default_rng(seed).integers(len(found), size=n)]


class _Judge:
    """Judges frames while a run goes on, and sorts them when it has ended."""

    def __init__(self, trigger: Trigger, measure: Measure, cutoff: float, closest: float):
        self.trigger, self.measure, self.cutoff, self.closest = trigger, measure, cutoff, closest
        self.sorted: dict[str, list[Structure]] = {"candidate": [], "failed": []}
        self.n_accurate, self.n_broken, self.largest = 0, 0, 0.0

    def __call__(self, atoms: Atoms) -> str | None:
        """Note the value in the frame; a reason where the run must end."""
        value = self._value(atoms)
        atoms.info[UNSURE] = value
        if self.trigger.judge(value) != "failed":
            return None
        return f"the potential is unsure by {value:.3g} {self.trigger.unit}".rstrip()

    def _value(self, atoms: Atoms) -> float:
        if too_close(atoms, self.closest):
            return float("inf")
        total_charge, spin = charge_and_spin(atoms.info)
        return float(self.measure(graph_of(atoms, self.cutoff, total_charge=total_charge, spin=spin)).max())

    def sort(self, file: Path, start: Atoms, group: str, *, broken: bool) -> None:
        """Take over the frames of a run; its start counts only where nothing came after it."""
        frames = [s.atoms for s in read(file, labelled=False)]
        verdict = ""
        for frame in frames[1:] or frames:
            value = float(frame.info[UNSURE])
            verdict = self.trigger.judge(value)
            self.largest = max(self.largest, value)
            if verdict == "accurate":
                self.n_accurate += 1
                continue
            self.sorted[verdict].append(proposal(drawn_from(start, frame, group)))
        self.n_broken += broken and verdict != "failed"

    def explored(self) -> Explored:
        """Everything together."""
        candidates, failed = (Dataset(self.sorted[name]) for name in ("candidate", "failed"))
        return Explored(candidates, failed, self.n_accurate, self.n_broken, self.largest)
