"""Which way of choosing training structures gives the better potential: the same recipe on what each chooses.

For every selector, number and seed: choose from a labelled pool, fit, and compare with one test set that never changes.
A selector that asks a potential is given one fitted to the first half of the number, chosen at random: it then chooses
the other half, so that every potential of the study has seen as many labels. With `guide` it is given that one instead.
Every finished fit is a small file, so that an interrupted study goes on.

After Finkbeiner et al., "Efficient data selection methods for the development of machine learning potentials", ICLR
SimDL workshop (2021).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cambrian.configurable import describe
from cambrian.configuration.recipe import Recipe
from cambrian.contracts.archive import fingerprint, write_in_place
from cambrian.contracts.potential import Potential
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit

FIGURES = ("force_max", "force_rmse", "force_mae", "energy_rmse", "energy_mae")
Progress = Callable[[str, float, str], None]


@dataclass(frozen=True)
class Trial:
    """One selector, one number of structures, one seed."""

    selector: str
    number: int
    seed: int

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.selector}-{self.number}-{self.seed}"


@dataclass(frozen=True)
class SelectionStudy:
    """A comparison of selectors; `folder` keeps a file for each finished fit."""

    pool: Dataset
    test: Dataset
    recipe: Recipe
    selectors: dict[str, Selector]
    numbers: tuple[int, ...]
    repeats: int
    folder: Path
    seed: int = 0
    guide: Potential | None = None

    def __post_init__(self):
        if max(self.numbers, default=0) > len(self.pool):
            raise UserError(f"there are {len(self.pool)} structures to choose from, fewer than {max(self.numbers)}")
        if min(self.numbers, default=0) < 2:
            raise UserError("a study compares numbers of structures, each 2 or more, such as 20,50,100")

    def run(self, progress: Progress = lambda stage, fraction, words: None) -> list[dict[str, Any]]:
        """A row for every selector and number: mean and standard deviation over the seeds of each error.

        Errors in eV/atom and eV/Å; a standard deviation over one seed is None.
        """
        trials = list(self.trials())
        for k, trial in enumerate(trials):
            words = f"{trial.selector}, {trial.number} structures, seed {trial.seed}"
            progress("study", k / len(trials), words)
            self.outcome(trial)
        progress("study", 1.0, "")
        return [self.row(name, n) for name in self.selectors for n in self.numbers]

    def trials(self) -> Iterator[Trial]:
        """All fits of the study, the cheap ones first."""
        for number in self.numbers:
            for seed in range(self.seed, self.seed + self.repeats):
                for name in self.selectors:
                    yield Trial(name, number, seed)

    def outcome(self, trial: Trial) -> dict[str, Any]:
        """Errors on the test set and what was chosen; from the file of a finished fit where nothing has changed."""
        path, key = self.folder / "fits" / f"{trial.name}.json", self._key(trial)
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                found = {}
            if found.get("key") == key:
                return found
        try:
            chosen = self.chosen(trial)
            figures, seconds = self._errors(self.pool[chosen], trial.seed)
        except UserError as error:
            raise error.at(f"{trial.selector}, {trial.number} structures, seed {trial.seed}") from None
        found = {"key": key, **vars(trial), "chosen": chosen, "fit_seconds": seconds, "test": figures}
        write_in_place(path, (json.dumps(found) + "\n").encode())
        return found

    def chosen(self, trial: Trial) -> list[int]:
        """Indices in the pool of the structures that the potential of this trial learns from."""
        selector = self.selectors[trial.selector]
        if not selector.needs_potential or self.guide is not None:
            return selector.choose(self.pool, trial.number, potential=self.guide, seed=trial.seed)
        order = np.random.default_rng(trial.seed).permutation(len(self.pool)).tolist()
        half, rest = order[: trial.number // 2], order[trial.number // 2 :]
        potential, solver = self.recipe.build_potential()
        fit(potential, self.pool[half], solver, seed=trial.seed)
        found = selector.choose(
            self.pool[rest], trial.number - len(half), known=self.pool[half], potential=potential, seed=trial.seed
        )
        return half + [rest[k] for k in found]

    def _errors(self, train: Dataset, seed: int) -> tuple[dict[str, float | None], float]:
        potential, solver = self.recipe.build()
        result = fit(potential, train, solver, test=self.test, seed=seed)
        figures = result.parts["test"].errors.figures()
        return {name: figures[name] for name in FIGURES}, result.seconds

    def _key(self, trial: Trial) -> str:
        """What the outcome depends on."""
        selector = self.selectors[trial.selector]
        guide = None if self.guide is None else fingerprint(self.guide)
        facts = [vars(trial), describe(selector), self.recipe.content, guide, self.pool.hash, self.test.hash]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def row(self, name: str, number: int) -> dict[str, Any]:
        """Means and standard deviations over the seeds of one selector and number."""
        seeds = range(self.seed, self.seed + self.repeats)
        figures = [self.outcome(Trial(name, number, seed))["test"] for seed in seeds]
        return {"selector": name, "number": number, "repeats": self.repeats, **spread(figures)}


def spread(figures: Iterable[dict[str, float | None]]) -> dict[str, float | None]:
    """Mean and sample standard deviation of each error that all have."""
    figures, found = list(figures), {}
    for name in FIGURES:
        values = np.array([value for f in figures if (value := f[name]) is not None])
        found[name] = float(values.mean()) if len(values) == len(figures) else None
        found[f"{name}_std"] = float(values.std(ddof=1)) if len(values) == len(figures) > 1 else None
    return found


def winners(rows: list[dict[str, Any]], figure: str) -> dict[int, str]:
    """The selector of the least mean error at each number."""
    numbers = sorted({row["number"] for row in rows})
    found = {}
    for n in numbers:
        there = [row for row in rows if row["number"] == n and row[figure] is not None]
        if there:
            found[n] = min(there, key=lambda row: row[figure])["selector"]
    return found
