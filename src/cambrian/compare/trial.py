"""One fit of a comparison, kept in a folder: done once, it is not done again for the same recipe, data and seed."""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cambrian.compare.comparison import KINDS
from cambrian.configuration import Recipe
from cambrian.contracts.archive import write_in_place
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit import Fit, fit
from cambrian.fit.problem import Progress
from cambrian.report.fit_folder import CHECKPOINT, write_fit
from cambrian.validate.speed import microseconds_per_atom_step, timed_structure

RECORD = "trial.json"


@dataclass(frozen=True)
class Outcome:
    """Errors on unseen structures (eV/atom, eV/Å), seconds of the fit, number of parameters, µs/atom/step.

    `training` has a row per epoch (losses, validation errors, seconds) where the solver knows epochs.
    """

    errors: dict[str, float | None]
    fit_seconds: float
    n_parameters: int
    n_train: int
    us_per_atom_step: float | None = None
    training: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """A recipe on some training structures, judged on `test`.

    `timed` trials are measured in dynamics too, and the whole fit is kept; of the others only the outcome.
    """

    name: str
    recipe: Recipe
    train: Dataset
    test: Dataset
    seed: int
    folder: Path
    threads: int
    timed: bool

    @property
    def key(self) -> str:
        """Hash of everything that decides the outcome."""
        facts = [self.recipe.text(self.seed), self.train.hash, self.test.hash, self.timed and self.threads]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def run(self, progress: Progress) -> Outcome:
        """The outcome, from the folder where it was kept; raises UserError where the recipe does not suit the data."""
        kept = self.kept()
        if kept is not None:
            return kept
        potential, solver = self.recipe.build()
        result = fit(
            potential, self.train, solver, test=self.test, seed=self.seed, folder=self.folder, progress=progress
        )
        if self.timed:
            write_fit(self.folder, result, name=self.recipe.name, recipe=self.recipe.text(self.seed))
        outcome = self._outcome(result)
        content = {"key": self.key, "outcome": asdict(outcome)}
        write_in_place(self.folder / RECORD, (json.dumps(content, indent=2) + "\n").encode())
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return outcome

    def kept(self) -> Outcome | None:
        """The outcome of the same trial done before, if there is one."""
        try:
            content = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            return Outcome(**content["outcome"]) if content["key"] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _outcome(self, result: Fit) -> Outcome:
        figures = result.parts["test"].errors.figures()
        speed = None
        if self.timed:
            atoms = timed_structure(self.test)
            with suppress(UserError):  # a bad potential may bring atoms to one place: it has errors, but no speed
                speed = microseconds_per_atom_step(result.potential, atoms, threads=self.threads, seed=self.seed)
        errors = {kind: figures[kind] for kind in KINDS}
        history = result.solution.history
        return Outcome(errors, result.seconds, result.n_parameters, len(self.train), speed, history)
