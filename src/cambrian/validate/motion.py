"""What checks of structure in motion share: dynamics with the potential, beside frames of the reference.

The reference is dynamics of the same length with a reference method, where one is given, else the frames of the file.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.sample.ensembles import NVT
from cambrian.validate.curves import Curve, averaged, compared, has_settled
from cambrian.validate.start import starting_structure
from cambrian.validate.trajectory import Trajectory, produce, temperature_of, unwrapped


@dataclass(frozen=True)
class Sampled:
    """Curves by name, frame by frame: `samples` and `counts` (frames, bins) over `x` (bins,)."""

    x: NDArray
    samples: dict[str, NDArray]
    counts: dict[str, NDArray]

    def averaged(self, *, settled: bool) -> dict[str, Curve]:
        """Means over frames, of the curves that counted anything."""
        return {
            name: averaged(self.x, values, self.counts[name], settled=settled)
            for name, values in self.samples.items()
            if self.counts[name].any()
        }


class InMotion(Check):
    """A check that averages a structure over dynamics at `temperature_K`, that of the reference where none is given.

    Dynamics starts from the first frame of the reference, which fixes composition and cell, and is recorded after
    `equilibration_fs`. `score` is what is tolerated, beyond what the noise of both explains.
    """

    def __init__(
        self,
        *,
        temperature_K: float | None,
        n_steps: int,
        timestep_fs: float,
        every: int,
        equilibration_fs: float,
        seed: int,
        score: float,
    ):
        self.temperature_K, self.n_steps, self.timestep_fs, self.every = temperature_K, n_steps, timestep_fs, every
        self.equilibration_fs, self.seed, self.score = equilibration_fs, seed, score

    def compare(
        self,
        name: str,
        what: str,
        potential: Potential,
        reference: Dataset | None,
        method: Labeller | None,
        curves: Callable[[list[Atoms]], Sampled],
        draw: Callable,
        progress: Callable[[float], None],
        about: Callable[[str, Curve, Curve], dict] = lambda name, found, expected: {},
    ) -> Result:
        """Run dynamics and compare curves; `about` gives further figures of one curve."""
        start = starting_structure(reference)
        assert reference is not None
        temperature = temperature_of(reference) if self.temperature_K is None else self.temperature_K
        share = 1.0 if method is None else 0.5
        found = self._produced(potential, start, temperature, lambda fraction: progress(share * fraction))
        if found.stopped:
            return Result(name, {"score": None}, "failed", f"dynamics with the potential {found.stopped}")
        frames = [s.atoms for s in reference]
        if method is not None:
            own = self._produced(method, start, temperature, lambda fraction: progress(0.5 + 0.5 * fraction))
            if own.stopped:
                raise UserError(f"dynamics with the reference method {own.stopped}")
            frames = list(own.frames())
        expected = curves(frames).averaged(settled=_settled(frames))
        if not expected:
            raise UserError(f"there is nothing to compare: {what} of the reference counts nothing; raise the distance")
        here = curves(list(found.frames()))
        there = here.averaged(settled=has_settled(found.positions))
        there |= {k: Curve(c.x, 0 * c.y, 0 * c.y, 0.0) for k, c in expected.items() if k not in there}
        figures = {k: about(k, there[k], expected[k]) for k in expected}
        return compared(name, what, there, expected, self.score, draw=draw, figures=figures)

    def _produced(self, driver: Potential | Labeller, start: Atoms, temperature: float, progress) -> Trajectory:
        return produce(
            driver,
            start,
            NVT(temperature),
            n_steps=self.n_steps,
            timestep_fs=self.timestep_fs,
            every=self.every,
            equilibration_fs=self.equilibration_fs,
            seed=self.seed,
            progress=progress,
        )


def why_no_ensemble(reference: Dataset | None, method: Labeller | None) -> str:
    """Why these structures are no sample of one system in motion, in words; empty where they may be one."""
    if reference is None or len(reference) == 0:
        return "it compares with a reference trajectory, and starts from its first structure: give a file"
    if method is not None:
        return ""
    first = reference.structures[0].atoms
    if any(not np.array_equal(s.atoms.numbers, first.numbers) for s in reference):
        return "the structures differ in composition or in the order of their atoms, so they are no trajectory"
    volumes = [abs(np.linalg.det(s.atoms.cell.array)) for s in reference] if first.cell.rank == 3 else [1.0]
    if np.std(volumes) > 0.05 * np.mean(volumes):
        return "the cells of the structures differ by more than thermal motion explains, so they are no trajectory"
    return ""


def _settled(frames: list[Atoms]) -> bool:
    """Whether frames are more than a glimpse; frames whose atoms are not the same throughout are independent."""
    if any(not np.array_equal(a.numbers, frames[0].numbers) for a in frames):
        return True
    positions = np.array([a.positions for a in frames])
    cells = np.array([a.cell.array for a in frames])
    return has_settled(unwrapped(positions, cells, frames[0].pbc))
