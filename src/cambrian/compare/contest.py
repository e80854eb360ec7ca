"""The fits of a comparison: every recipe on the same split with the same limit of time, or on the same folds.

On one split each recipe is fitted to growing parts of the training structures too (nested, drawn at random): the
learning curve. Folds keep what belongs together on one side: groups, or blocks of consecutive structures.
"""

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cambrian.compare.comparison import KINDS, Comparison, Row
from cambrian.compare.trial import Outcome, Trial
from cambrian.configuration import Recipe, Setting
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit.fit import versions
from cambrian.fit.problem import Progress

PORTIONS = (1 / 8, 1 / 4, 1 / 2, 1.0)
FAILURES = (UserError, ArithmeticError, np.linalg.LinAlgError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Contest:
    """Recipes by name and pairs (train, test): one pair is a split, several are folds. `folder` keeps every fit."""

    recipes: dict[str, Recipe]
    pairs: Sequence[tuple[Dataset, Dataset]]
    folder: Path
    seed: int = 0
    portions: tuple[float, ...] = PORTIONS
    threads: int = 1
    how: dict[str, Any] = field(default_factory=dict)

    def run(self, progress: Progress = lambda stage, fraction, words: None) -> Comparison:
        """Fit everything that is not fitted yet; a recipe that fails says why in its row, and the others go on."""
        rows = []
        for k, name in enumerate(self.recipes):
            progress("recipes", k / len(self.recipes), name)
            rows.append(self._row(name, progress))
        progress("recipes", 1.0, "done")
        sizes = [{"n_train": len(train), "n_test": len(test)} for train, test in self.pairs]
        machine = {"machine": platform.machine(), "threads": self.threads, "versions": versions()}
        return Comparison(tuple(rows), self.how | {"seed": self.seed, "splits": sizes} | machine)

    def trials(self, name: str) -> Iterator[Trial]:
        """The fits of one recipe; the last one of a split is that on all training structures."""
        recipe, folder = self.recipes[name], self.folder / name
        if len(self.pairs) > 1:
            for k, (train, test) in enumerate(self.pairs):
                title = f"fold-{k + 1}"
                yield Trial(title, recipe, train, test, self.seed, folder / title, self.threads, timed=k == 0)
            return
        ((train, test),) = self.pairs
        order = np.random.default_rng(self.seed).permutation(len(train))
        sizes = sorted({max(2, round(p * len(train))) for p in self.portions if p < 1} - {len(train)})
        for n in sizes:
            part, title = train[np.sort(order[:n])], f"first-{n}"
            yield Trial(title, recipe, part, test, self.seed, folder / title, self.threads, timed=False)
        yield Trial("all", recipe, train, test, self.seed, folder / "all", self.threads, timed=True)

    def _row(self, name: str, progress: Progress) -> Row:
        outcomes: list[Outcome] = []
        failure = ""
        for trial in self.trials(name):
            try:
                outcomes.append(
                    trial.run(lambda stage, done, words, t=trial: progress(f"{name} {t.name}", done, words))
                )
                failure = ""
            except FAILURES as error:
                failure = f"{trial.name}: {error}"
            progress(f"{name} {trial.name}", 1.0, "done")
        if failure or not outcomes:
            return Row(name, failure=failure, curve=_curve(outcomes) if len(self.pairs) == 1 else ())
        if len(self.pairs) > 1:
            return _mean_row(name, outcomes)
        last = outcomes[-1]
        costs = (last.fit_seconds, last.us_per_atom_step, last.n_parameters)
        return Row(name, last.errors, {}, *costs, curve=_curve(outcomes), training=last.training)


def contestants(sources: Iterable[str], settings: dict[str, list[Setting]], minutes: float | None) -> dict[str, Recipe]:
    """Recipes by name, each with its settings and, where its solver takes one, the limit of time in minutes.

    Raises UserError for a recipe that does not exist and for two of one name.
    """
    found: dict[str, Recipe] = {}
    for source in sources:
        name, place = name_of(source), source.partition("=")[2] or source
        given = settings.get(name, [])
        recipe = Recipe.of(place, given)
        limit = Setting(("solver", "max_minutes"), minutes, f"--minutes {minutes}")
        own = any(setting.place == limit.place for setting in given)
        if minutes is not None and not own and "max_minutes" in recipe.build()[1].arguments:
            recipe = Recipe.of(place, [*given, limit])
        if name in found:
            raise UserError(f"two recipes are called {name}; call one of them otherwise: {name}2={place}")
        found[name] = recipe
    return found


def name_of(source: str) -> str:
    """What a recipe is called in a comparison: NAME of NAME=RECIPE, its own, the function's, or that of its file."""
    if "=" in source:
        return source.partition("=")[0]
    return source.rpartition(":")[2] if ".py:" in source else Path(source).stem


def folds(data: Dataset, k: int, *, by: str, seed: int) -> list[tuple[Dataset, Dataset]]:
    """Pairs (train, test) held out by `structure`, by whole `group`, or by `block`: consecutive parts of each group."""
    if by != "block":
        return data.folds(k, by=by, seed=seed)
    if k < 2:
        raise UserError(f"folds need a number of 2 or more, not {k}")
    parts: list[list[int]] = [[] for _ in range(k)]
    for group in data.groups:
        members = [n for n, s in enumerate(data) if s.group == group]
        for part, block in zip(parts, np.array_split(members, k), strict=True):
            part.extend(block.tolist())
    if not all(parts):
        raise UserError(f"the groups are too small for {k} blocks; take fewer folds, or --split-by structure")
    everything = set(range(len(data)))
    return [(data[sorted(everything - set(part))], data[sorted(part)]) for part in parts]


def _curve(outcomes: list[Outcome]) -> tuple[tuple[int, dict[str, float | None]], ...]:
    return tuple((o.n_train, o.errors) for o in outcomes)


def _mean_row(name: str, outcomes: list[Outcome]) -> Row:
    """Mean and standard deviation over folds."""
    columns = {kind: [o.errors[kind] for o in outcomes] for kind in KINDS}
    known = {kind: np.array(values, dtype=float) for kind, values in columns.items() if None not in values}
    means = {kind: float(known[kind].mean()) if kind in known else None for kind in KINDS}
    deviations = {kind: float(known[kind].std(ddof=1)) if kind in known else None for kind in KINDS}
    seconds = float(np.mean([o.fit_seconds for o in outcomes]))
    return Row(name, means, deviations, seconds, outcomes[0].us_per_atom_step, outcomes[0].n_parameters)
