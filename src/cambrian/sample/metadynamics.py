"""Metadynamics: structures along dynamics that a growing bias drives over barriers (see `well_tempered`)."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.sample.dynamics import Dynamics, draw
from cambrian.sample.running import Run
from cambrian.sample.well_tempered import Bias, WellTempered


class Metadynamics(Sampler):
    """`n` structures from each start, `interval_fs` apart, along well-tempered metadynamics.

    `variables` such as `distance 0 1`, `angle 0 1 2`, `torsion 0 1 2 3` (degrees), `coordination O H 1.3`, atoms from
    0, each with its width; hills of `height` eV every `deposit_fs`; `limits` [low, high] for each variable.
    """

    def __init__(
        self,
        variables: tuple[str, ...],
        widths: tuple[float, ...],
        *,
        temperature_K: float = 300.0,
        height: float = 0.02,
        bias_factor: float = 10.0,
        deposit_fs: float = 50.0,
        limits: tuple[tuple[float, float], ...] | None = None,
        n: int = 200,
        interval_fs: float = 100.0,
        timestep_fs: float = 0.5,
    ):
        if n < 1 or not timestep_fs > 0 or interval_fs < timestep_fs:
            raise UserError("metadynamics needs n >= 1, a timestep above 0 and an interval no shorter")
        ensemble = WellTempered(
            temperature_K,
            variables=variables,
            widths=widths,
            height=height,
            bias_factor=bias_factor,
            deposit_fs=deposit_fs,
            limits=limits,
        )
        every = max(round(interval_fs / timestep_fs), 1)
        self.dynamics = Dynamics(ensemble, n_steps=n * every, timestep_fs=timestep_fs, every=every)

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Run it; trajectory, hills and (of one variable) the free energy are kept in `folder`."""

        def finish(name: str, run: Run) -> None:
            if folder is not None:
                biased: Any = run.atoms.calc
                write_hills(biased.bias, folder / f"{name}-hills.csv")
                if len(biased.bias.variables) == 1 and len(biased.bias.hills):
                    write_free_energy(biased.bias, folder / f"{name}-free-energy.csv")

        return draw(
            start, driver, [self.dynamics], n_skipped=1, seed=seed, folder=folder, progress=progress, finish=finish
        )

    @classmethod
    def example(cls) -> "Metadynamics":
        """Along a distance, two structures."""
        return cls(("distance 0 1",), (0.1,), n=2, interval_fs=4.0, timestep_fs=1.0, deposit_fs=2.0)


def write_hills(bias: Bias, path: Path) -> None:
    """Centers of the hills in the units of the variables, and heights in eV."""
    head = [v.name for v in bias.variables] + ["height"]
    write_text(path, _table(head, bias.hills))


def write_free_energy(bias: Bias, path: Path, *, n: int = 201) -> None:
    """The free energy (eV) along the one variable, over the places that were visited."""
    centers, width = bias.hills[:, 0], bias.widths[0]
    places = np.linspace(centers.min() - width, centers.max() + width, n)
    write_text(path, _table([bias.variables[0].name, "free_energy"], np.c_[places, bias.free_energy(places)]))


def _table(head: list[str], rows: np.ndarray) -> str:
    return "\n".join([",".join(head), *(",".join(f"{x:.8g}" for x in row) for row in rows)]) + "\n"
