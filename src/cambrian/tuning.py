"""The outer loop over what no linear solve finds: cutoff, radii, weights, ridge, number of functions.

    min_h  w <ΔE²>^½ + <ΔF²>^½         over structures held out of the data, for the potential fitted with values h

The fit inside is exact for linear potentials, so that the objective has no noise and quadratic models of it serve.
Numbers between bounds: COBYQA (T. M. Ragonneau, Z. Zhang, 2023), which stands in scipy and follows Powell's NEWUOA and
BOBYQA; its authors kept those alive as PDFO before. Where a choice is among them: Optuna's tree of Parzen estimators.

Both ask for the same values again when they see the same objectives, so a finished trial is a line of trials.jsonl, and
a study that was interrupted goes on by reading it; one with more trials goes on from where the shorter one ended.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from cambrian.configuration.recipe import Recipe
from cambrian.configuration.settings import Setting, call_of
from cambrian.configuration.yaml_text import parse
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit

Progress = Callable[[str, float, str], None]
FIRST_STEP, LAST_STEP = 0.15, 1e-3  # radius of trust, of the range of each number


@dataclass(frozen=True)
class Variable:
    """A place in a recipe with its bounds, or the values to choose among."""

    place: str
    bounds: tuple[float, float] | None = None
    choices: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Variable":
        """From `cutoff:4:6` or `two_j_max:4,6,8`; raises UserError for anything else."""
        place, *rest = text.split(":")
        try:
            if place and len(rest) == 2:
                low, high = map(float, rest)
                if low < high:
                    return cls(place, bounds=(low, high))
            elif place and len(rest) == 1 and "," in rest[0]:
                return cls(place, choices=tuple(parse(word, f"--over {place}") for word in rest[0].split(",")))
        except ValueError:
            pass
        raise UserError(f"--over {text}: write NAME:LOW:HIGH, such as cutoff:4:6, or NAME:A,B,C, as in two_j_max:4,6,8")

    def value(self, unit: float) -> float:
        """The number at a part (0 to 1) of the way from the lower to the upper bound."""
        low, high = self.bounds or (0.0, 1.0)
        return low + unit * (high - low)

    def unit(self, value: Any) -> float:
        """Where a number lies between the bounds; the middle for what is no number between them."""
        low, high = self.bounds or (0.0, 1.0)
        known = isinstance(value, (int, float)) and low <= value <= high
        return (value - low) / (high - low) if known else 0.5


@dataclass(frozen=True)
class Trial:
    """The values tried, and what the potential fitted with them does on the structures held out."""

    values: dict[str, Any]
    objective: float
    energy_rmse: float | None
    force_rmse: float | None
    seconds: float


class Enough(Exception):
    """As many trials as were asked for."""


@dataclass
class Tuning:
    """A search over `variables` of `recipe`, with `settings` on top; each potential is fitted to `train`.

    judge: structures on which its errors count. energy_weight: w, per eV/atom. folder: where trials.jsonl stands.
    n_trials: fits at most, earlier ones included.
    """

    recipe: str
    variables: list[Variable]
    train: Dataset
    judge: Dataset
    folder: Path
    settings: list[Setting] = field(default_factory=list)
    energy_weight: float = 10.0
    n_trials: int = 50
    seed: int = 0
    trials: list[Trial] = field(default_factory=list, init=False)

    def run(self, progress: Progress = lambda stage, fraction, words: None) -> list[Trial]:
        """Search; all trials in their order. Raises UserError for places, values or data that do not go."""
        self._recall()
        earlier, self.trials, self.progress = self.trials, [], progress
        self._earlier = {self._key(t.values): t for t in earlier}
        search = self._numbers if all(v.bounds for v in self.variables) else self._mixed
        with suppress(Enough):
            search([self.present(v.place) for v in self.variables])
        return self.trials

    @property
    def best(self) -> Trial:
        """The trial of least objective."""
        return min(self.trials, key=lambda t: t.objective)

    def recipe_with(self, values: dict[str, Any]) -> Recipe:
        """The recipe with these values in their places."""
        own = [Setting(tuple(place.split(".")), value, f"--over {place}") for place, value in values.items()]
        return Recipe.of(self.recipe, [*self.settings, *own])

    def present(self, place: str) -> Any:
        """What stands at a place before the search; None where nothing does."""
        content = Recipe.of(self.recipe, self.settings).content
        found: Any = content.get("parameters", content)
        for word in place.split("."):
            called = call_of(found)
            found = called[1] if called is not None and word != called[0] else found
            found = found.get(word) if isinstance(found, dict) else None
        return found

    def tried(self, values: dict[str, Any]) -> float:
        """The objective of these values, from an earlier run where it is known."""
        if len(self.trials) >= self.n_trials:
            raise Enough
        trial = self._earlier.get(self._key(values)) or next(
            (t for t in self.trials if self._key(t.values) == self._key(values)), None
        )
        if trial is None:
            trial = self._fitted(values)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(trial)) + "\n")
        self.trials.append(trial)
        words = f"trial {len(self.trials)}: {trial.objective:.4g}, best {self.best.objective:.4g}"
        self.progress("trials", len(self.trials) / self.n_trials, words)
        return trial.objective

    def _fitted(self, values: dict[str, Any]) -> Trial:
        start = time.monotonic()
        potential, solver = self.recipe_with(values).build()
        try:
            result = fit(potential, self.train, solver, validation=self.judge, seed=self.seed)
        except UserError as error:
            raise error.at(", ".join(f"{place}={value}" for place, value in values.items())) from None
        errors = result.parts["validation"].errors
        found = errors.figures()
        energy, force = found["energy_rmse"], found["force_rmse"]
        objective = self.energy_weight * (energy or 0.0) + (force or 0.0)
        return Trial(values, objective, energy, force, time.monotonic() - start)

    def _numbers(self, present: list[Any]) -> None:
        """COBYQA on the unit cube, from the values that the recipe has."""

        def objective(units: np.ndarray) -> float:
            return self.tried({v.place: v.value(float(u)) for v, u in zip(self.variables, units, strict=True)})

        start = [v.unit(value) for v, value in zip(self.variables, present, strict=True)]
        options = {"initial_tr_radius": FIRST_STEP, "final_tr_radius": LAST_STEP, "maxfev": self.n_trials}
        minimize(objective, start, method="COBYQA", bounds=[(0.0, 1.0)] * len(start), options=options)

    def _mixed(self, present: list[Any]) -> None:
        """Optuna's sampler, from the values that the recipe has where they are among the choices."""
        try:
            optuna = importlib.import_module("optuna")
        except ImportError as error:
            raise UserError("choices need Optuna: pip install 'cambrian[tune]', or give bounds only") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def objective(trial) -> float:
            units = {v.place: trial.suggest_float(v.place, 0.0, 1.0) for v in self.variables if v.bounds}
            places = {
                v.place: trial.suggest_categorical(v.place, list(range(len(v.choices))))
                for v in self.variables
                if v.choices
            }
            return self.tried(
                {v.place: v.value(units[v.place]) if v.bounds else v.choices[places[v.place]] for v in self.variables}
            )

        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.seed))
        known = zip(self.variables, present, strict=True)
        start = {v.place: v.unit(p) if v.bounds else v.choices.index(p) for v, p in known if v.bounds or p in v.choices}
        study.enqueue_trial(start)
        study.optimize(objective, n_trials=self.n_trials)

    @property
    def _file(self) -> Path:
        return self.folder / "trials.jsonl"

    def _recall(self) -> None:
        """Trials of an earlier run of the same study; raises UserError where the folder holds those of another."""
        words = [Recipe.of(self.recipe, self.settings).content, [vars(v) for v in self.variables], self.energy_weight]
        words += [self.train.hash, self.judge.hash, self.seed]
        key = hashlib.sha256(json.dumps(words, sort_keys=True, default=str).encode()).hexdigest()
        if not self._file.exists():
            self._file.write_text(json.dumps({"study": key}) + "\n", encoding="utf-8")
            return
        first, *lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
        if json.loads(first).get("study") != key:
            raise UserError(
                f"{self._file} holds trials of another study (other data, recipe, variables, weight or seed): take "
                "another folder, or move that one away"
            )
        whole = [line for line in lines if line.endswith("\n")]  # a crash may leave half a line
        self._file.write_text(first + "".join(whole), encoding="utf-8")
        self.trials = [Trial(**json.loads(line)) for line in whole]

    @staticmethod
    def _key(values: dict[str, Any]) -> str:
        return json.dumps(values, sort_keys=True)
