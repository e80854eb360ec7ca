"""How many symmetry functions, which, and how far they should see: error and cost of lists that the data choose.

Each method orders a large pool of functions by their values on the atoms of each element; its first n are a list.
A model is fitted with each list and judged by structures held out of the same data, so that a test set stays untouched:

    linear       E_i = β_0 + β·G_i by least squares: fast, and without the chance of where networks begin
    a recipe     any with parameters `functions` and `cutoff`, such as hdnnp with few epochs

beside the recipe's own functions and random choices. Functions whose values span less than `least_range` over the data
are left out of the pool first, as n2p2's nnp-prune does. Every finished fit is a small file: a study can be resumed.
After G. Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.configurable import describe
from cambrian.configuration.recipe import Recipe
from cambrian.configuration.settings import Setting
from cambrian.contracts.archive import write_in_place
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.data.dataset import Dataset
from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.elements import symbol, symbols
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.least_squares import LeastSquares
from cambrian.math.columns import ORDERS, varying
from cambrian.math.envelopes import PolynomialEnvelope
from cambrian.math.symmetry_grids import GasteggerShifted, ImbalzanoCentered
from cambrian.math.symmetry_sets import FunctionSet, Radial, Wide
from cambrian.math.symmetry_words import row
from cambrian.regressors.linear import LinearRegressor
from cambrian.validate.speed import microseconds_per_atom_step, timed_structure

METHODS = (*ORDERS, "random")
OWN = "recipe"  # the functions that the recipe has by itself
MOST_ATOMS = 4000  # of an element, whose features decide
NEAR_BEST = 1.05
SECONDS = 0.3  # of each chunk that is timed
Progress = Callable[[str, float, str], None]
Table = dict[str, list[dict]]


def automatic_pool() -> list[FunctionSet]:
    """Many functions of all lengths from the cutoff alone: 72 for one element, 360 for each of three."""
    return [
        Radial(ImbalzanoCentered(8)),
        Radial(GasteggerShifted(16, first=0.8)),
        Wide(ImbalzanoCentered(4), zetas=(1, 2, 4, 8)),
        Wide(GasteggerShifted(4, first=1.5), zetas=(1, 4)),
    ]


def linear(functions: FunctionSet, cutoff: float) -> tuple[Potential, Solver]:
    """The fast judge; a quadratic one errs by hundreds of eV/Å on a single structure beyond the others."""
    descriptor = ACSF(cutoff=cutoff, functions=[functions], envelope=PolynomialEnvelope(order=2))
    solver = LeastSquares(energy_weight=100.0, force_weight=1.0, stress_weight=0.0, ridge=1e-10, posterior_up_to=0)
    return IsolatedAtoms() + DescriptorPotential(descriptor, LinearRegressor()), solver


@dataclass(frozen=True)
class Trial:
    """One list: who chose it, how many functions of each element, the cutoff in Å and the seed of a random choice."""

    method: str
    number: int
    cutoff: float
    seed: int = 0

    @property
    def name(self) -> str:
        """What its files are called."""
        seed = f"-{self.seed}" if self.method == "random" else ""
        return f"{self.method}-{self.number}-{self.cutoff:g}{seed}"


@dataclass(frozen=True)
class FunctionStudy:
    """A comparison of lists of functions on `data`, of which `held_out` (a share) judges; `folder` keeps what is done.

    recipe: what is fitted; None takes the linear judge.
    """

    data: Dataset
    methods: tuple[str, ...]
    numbers: tuple[int, ...]
    cutoffs: tuple[float, ...]
    folder: Path
    pool: list[FunctionSet] = field(default_factory=automatic_pool)
    recipe: Recipe | None = None
    repeats: int = 3
    held_out: float = 0.2
    least_range: float = 1e-4
    seed: int = 0

    def __post_init__(self):
        for name in self.methods:
            if name not in METHODS:
                raise UserError(f"there is no way '{name}' to choose functions; choose among {', '.join(METHODS)}")
        if min(self.numbers, default=0) < 1 or not all(c > 1.5 for c in self.cutoffs):
            raise UserError("numbers of functions are 1 or more, such as 20,40,60; cutoffs are above 1.5 Å")
        if len(self.data) < 5:
            raise UserError(f"choosing functions needs 5 structures or more, not {len(self.data)}")
        if self.recipe is not None and not {"functions", "cutoff"} <= set(self.recipe.content.get("parameters", {})):
            raise UserError(f"{self.recipe.name} takes no list of symmetry functions; take hdnnp")

    @cached_property
    def parts(self) -> tuple[Dataset, Dataset]:
        """What lists are chosen from and fitted to, and what judges."""
        return self.data.split(1 - self.held_out, seed=self.seed)

    def run(self, progress: Progress = lambda stage, fraction, words: None) -> list[dict[str, Any]]:
        """A row for every list: figures, and the standard deviation over the seeds of random ones.

        `energy_rmse` (eV/atom), `force_rmse` and `force_mae` (eV/Å) on the structures held out, `cost` in µs per atom
        and step.
        """
        trials = list(self.trials())
        for k, trial in enumerate(trials):
            progress("study", k / len(trials), f"{trial.method.replace('_', ' ')}, {trial.number} functions")
            self.outcome(trial)
        progress("study", 1.0, "")
        found = {}
        for trial in trials:
            found.setdefault((trial.method, trial.number, trial.cutoff), []).append(self.outcome(trial))
        return [_row(outcomes) for outcomes in found.values()]

    def trials(self) -> Iterator[Trial]:
        """All fits, the cheap ones first."""
        for cutoff in self.cutoffs:
            if self.recipe is not None:
                yield Trial(OWN, 0, cutoff)
            for number in sorted(self.numbers):
                for method in self.methods:
                    seeds = range(self.repeats) if method == "random" else range(1)
                    yield from (Trial(method, number, cutoff, seed) for seed in seeds)

    def outcome(self, trial: Trial) -> dict[str, Any]:
        """Figures and list of a trial; from the file of a finished fit where nothing has changed."""
        path, key = self.folder / "fits" / f"{trial.name}.json", self._key(trial)
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                found = {}
            if found.get("key") == key:
                return found
        table = None if trial.method == OWN else self.chosen(trial)
        try:
            figures = self._judged(table, trial.cutoff)
        except UserError as error:
            raise error.at(f"{trial.method}, {trial.number} functions, cutoff {trial.cutoff:g} Å") from None
        found = {"key": key, **vars(trial), **figures, "table": table}
        write_in_place(path, (json.dumps(found) + "\n").encode())
        return found

    def chosen(self, trial: Trial) -> Table:
        """The functions of each element as `Listed` takes them."""
        table = {}
        for center, (rows, points) in self._pool_at(trial.cutoff).items():
            if trial.method == "random":
                rng = np.random.default_rng([self.seed, trial.seed])
                order = rng.permutation(len(rows))[: trial.number].tolist()
            else:
                order = ORDERS[trial.method](points, trial.number)
            table[center] = [rows[k] for k in order]
        return table

    def _pool_at(self, cutoff: float) -> dict[str, tuple[list[dict], NDArray]]:
        """For each element the functions of the pool that vary over the data, and their values (atoms, functions)."""
        if cutoff not in self._pools:
            self._pools[cutoff] = dict(self._pool_of(cutoff))
        return self._pools[cutoff]

    @cached_property
    def _pools(self) -> dict[float, dict[str, tuple[list[dict], NDArray]]]:
        return {}

    def _pool_of(self, cutoff: float) -> Iterator[tuple[str, tuple[list[dict], NDArray]]]:
        descriptor = ACSF(cutoff=cutoff, functions=self.pool, envelope=self._envelope(cutoff))
        train = self.parts[0]
        descriptor.setup(train)
        names = symbols(descriptor.elements.tolist())
        route = descriptor.kernel() or descriptor
        found: dict[int, list[NDArray]] = {z: [] for z in descriptor.elements.tolist()}
        with torch.no_grad():
            for graph, _ in train.batches(cutoff):
                features = route.features(graph)
                for z, parts in found.items():
                    parts.append(features[graph.numbers == z].numpy())
        for z, parts in found.items():
            functions = descriptor.functions_of(z)
            values = np.concatenate(parts)[:, : len(functions)]
            values = values[:: -(-len(values) // MOST_ATOMS)]
            kept = np.flatnonzero(varying(values, self.least_range))
            if not len(kept):
                raise UserError(f"no function of the pool varies by {self.least_range:g} around {symbol(z)}")
            yield symbol(z), ([row(functions[k], names) for k in kept], values[:, kept])

    def _built(self, functions: FunctionSet | None, cutoff: float) -> tuple[Potential, Solver]:
        if self.recipe is None:
            return linear(functions or Listed({}), cutoff)
        changed = [Setting(("cutoff",), cutoff, "cutoff")]
        changed += [] if functions is None else [Setting(("functions",), describe(functions), "functions")]
        settings = [*Setting.all_of(self.recipe.content["parameters"], self.recipe.name), *changed]
        return Recipe.of(self.recipe.content["recipe"], settings).build_potential()

    def _envelope(self, cutoff: float):
        """That of the model, whose functions are to be chosen."""
        return _functions_of(self._built(None, cutoff)[0]).envelope

    def _judged(self, table: Table | None, cutoff: float) -> dict[str, Any]:
        potential, solver = self._built(None if table is None else Listed(table), cutoff)
        train, judges = self.parts
        result = fit(potential, train, solver, test=judges, seed=self.seed)
        errors = result.parts["test"].errors.figures()
        cost = microseconds_per_atom_step(potential, timed_structure(self.data), seconds=SECONDS)
        descriptor = _functions_of(potential)
        counts = {symbol(z): len(descriptor.functions_of(z)) for z in potential.elements.tolist()}
        figures = {name: errors[name] for name in ("energy_rmse", "force_rmse", "force_mae")}
        return figures | {"cost": cost, "fit_seconds": result.seconds, "functions": counts}

    def _key(self, trial: Trial) -> str:
        """What the outcome depends on."""
        settings = [describe(self.pool), "linear" if self.recipe is None else self.recipe.content]
        facts = [vars(trial), settings, self.held_out, self.least_range, self.seed, self.data.hash]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _functions_of(potential: Potential) -> ACSF:
    for term in potential.terms():
        if isinstance(term, DescriptorPotential) and isinstance(term.descriptor, ACSF):
            return term.descriptor
    raise UserError("this recipe has no symmetry functions to choose; take hdnnp")


def _row(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds of one list, the spread of their errors, and the list of the first seed."""
    first = outcomes[0]
    found = {"method": first["method"], "number": max(first["functions"].values()), "cutoff": first["cutoff"]}
    for name in ("energy_rmse", "force_rmse", "force_mae", "cost", "fit_seconds"):
        values = [o[name] for o in outcomes if o[name] is not None]
        found[name] = float(np.mean(values)) if len(values) == len(outcomes) else None
        found[f"{name}_std"] = float(np.std(values, ddof=1)) if len(values) == len(outcomes) > 1 else None
    return found | {"functions": first["functions"], "table": first["table"]}


def recommended(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The cheapest list that a method chose with an error within 5 % of the least, by forces where there are any."""
    lists = [r for r in rows if r["table"] is not None and r["method"] != "random"]
    lists = lists or [r for r in rows if r["table"] is not None]
    figure = "force_rmse" if all(r["force_rmse"] is not None for r in lists) else "energy_rmse"
    least = min(r[figure] for r in lists)
    return min((r for r in lists if r[figure] <= NEAR_BEST * least), key=lambda r: r["cost"])
