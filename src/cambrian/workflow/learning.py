"""A YAML file that says what is to be learned, as a plan.

start: ethanol.xyz                                   structures; files are named from the folder of the YAML file
method: tblite                                       the reference, by its name or {tblite: {accuracy: 0.1}}
initial: {samplers: [{normal_modes: {n: 20}}]}       labelled first; `data:` names files
test: {samplers: [...]}                              never trained on
recipe: hdnnp                                        with `parameters:`, as in a recipe file
committee: {members: 4}
exploration: {ensembles: [{NVT: {temperature_K: 300}}], n_steps: 2000}
trigger: {committee_disagreement: {low: 0.1, high: 0.5}}
selector: farthest_point
stop: {accurate_fraction: 0.95, force_rmse: 0.1}
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian.configurable import describe
from cambrian.configuration import Recipe, Setting
from cambrian.configuration.kinds import named
from cambrian.configuration.yaml_text import dump, parse_file
from cambrian.contracts.catalogue import configurables, construct, nearest
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.sampler import Sampler
from cambrian.contracts.selector import Selector
from cambrian.contracts.trigger import Trigger
from cambrian.data.dataset import Dataset
from cambrian.data.read import read
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.fit.committee import Members
from cambrian.learn import Exploration, Plan, Source, Stop

NEEDED = ("start", "method", "initial", "recipe")
KEYS = (
    *("start", "method", "initial", "test", "recipe", "parameters", "committee", "exploration", "trigger", "selector"),
    *("labels_per_round", "stop", "max_rounds", "max_minutes", "workers", "seed"),
)
MAY_CHANGE = ("stop", "max_rounds", "max_minutes", "workers")  # between a run and the next in the same folder


@dataclass(frozen=True)
class Learning:
    """The plan, the name and the recipe of its potentials, and the file's content with every value it has."""

    plan: Plan
    recipe: Recipe
    content: dict[str, Any]

    @classmethod
    def of(cls, path: Path, *, seed: int | None = None) -> "Learning":
        """From a YAML file; `seed` takes the place of the one in the file.

        Raises UserError for what does not exist, with the nearest right name, and for values of the wrong kind.
        """
        content = parse_file(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: a workflow of `cambrian learn` holds {', '.join(KEYS)}")
        for key in content:
            if key not in KEYS:
                raise UserError(f"{path}: there is no '{key}'{nearest(key, KEYS)}; it takes {', '.join(KEYS)}")
        missing = [key for key in NEEDED if content.get(key) is None]
        if missing:
            raise UserError(f"{path}: '{missing[0]}' is missing; a workflow needs {', '.join(NEEDED)}")
        if seed is not None:
            content["seed"] = seed
        return _Reader(path, content).learning()

    def claim(self, folder: Path) -> None:
        """Take a folder for this workflow; raises UserError where it holds the results of another one.

        When to stop may change: then learning goes on where it was. The structures of its files may not.
        """
        known = folder / "workflow.yaml"
        if known.exists():
            before = parse_file(known)
            fixed = [key for key in self.content if key not in MAY_CHANGE]
            changed = [key for key in fixed if before.get(key) != self.content[key]]
            if changed:
                raise UserError(
                    f"{folder} holds what another workflow learned ('{changed[0]}' differs); choose another -o. "
                    f"In the same folder only {', '.join(MAY_CHANGE)} may change"
                )
        structures = folder / "structures.json"
        hashes = {
            "start": self.plan.start.hash,
            "initial": self.plan.initial.data.hash,
            "test": self.plan.test.data.hash,
        }
        if structures.exists() and (other := _differing(_hashes(structures), hashes)):
            raise UserError(
                f"{folder} holds what was learned from other structures ('{other}' differs); choose another -o, "
                "or remove the folder to learn again"
            )
        write_text(structures, json.dumps(hashes, indent=1) + "\n")
        write_text(known, dump(self.content))


def _hashes(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} is damaged, so it cannot tell which structures were learned from; remove it to go on with those "
            "of the workflow"
        ) from error


def _differing(before: dict[str, str], now: dict[str, str]) -> str | None:
    return next((name for name in now if before.get(name) != now[name]), None)


class _Reader:
    """Reads the parts of a workflow one by one, noting every effective value."""

    def __init__(self, path: Path, content: dict[str, Any]):
        self.path, self.given = path, content
        self.effective: dict[str, Any] = {}

    def learning(self) -> Learning:
        """Everything together."""
        recipe = self._recipe()
        size = self._settings("committee", Members)
        default = "committee_disagreement" if size.members > 1 else "extrapolation"
        plan = Plan(
            start=self._start(),
            method=self._object("method", Labeller),
            initial=self._source("initial"),
            test=self._source("test"),
            make=recipe.build_potential,
            n_members=size.members,
            resampling=size.resampling,
            exploration=self._settings("exploration", Exploration),
            trigger=self._object("trigger", Trigger, default),
            selector=self._object("selector", Selector, "farthest_point"),
            stop=self._settings("stop", Stop),
            labels_per_round=self._number("labels_per_round", 20, least=1),
            max_rounds=self._number("max_rounds", 10, least=0),
            max_minutes=self._number("max_minutes", None, least=0),
            workers=self._number("workers", None, least=0),
            seed=self._number("seed", 0, least=0),
        )
        return Learning(plan, recipe, self.effective)

    def _recipe(self) -> Recipe:
        name, parameters = self.given["recipe"], self.given.get("parameters") or {}
        if not isinstance(name, str) or not isinstance(parameters, dict):
            raise UserError(
                f"{self.path}: 'recipe' takes a name or a file, 'parameters' a mapping from names to values"
            )
        beside = self.path.parent / name
        recipe = Recipe.of(str(beside) if beside.is_file() else name, Setting.all_of(parameters, str(self.path)))
        recipe.build_potential()  # what is wrong with it is said before anything is labelled
        self.effective |= recipe.content
        return recipe

    def _start(self) -> Dataset:
        self.effective["start"] = self.given["start"]
        return self._read(self.given["start"], "start")

    def _read(self, names: Any, key: str) -> Dataset:
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{self.path}: '{key}' takes the name of a file or a list of names, not {names!r}")
        return read(*(self.path.parent / name for name in names), labelled=False)

    def _source(self, key: str) -> Source:
        value = self.given.get(key) or {}
        value = {"data": value} if isinstance(value, (str, list)) else value
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: '{key}' takes files, or {{data: ..., samplers: [...]}}, not {value!r}")
        known = ("data", "samplers")
        for name in value:
            if name not in known:
                raise UserError(
                    f"{self.path}: {key}: there is no '{name}'{nearest(name, known)}; it takes data, samplers"
                )
        listed = value.get("samplers") or []
        listed = listed if isinstance(listed, list) else [listed]
        samplers = tuple(self._made(Sampler, one, f"{key}.samplers[{k}]") for k, one in enumerate(listed))
        self.effective[key] = {"data": value.get("data"), "samplers": [describe(s) for s in samplers]}
        return Source(self._read(value["data"], key) if value.get("data") else Dataset([]), samplers)

    def _object(self, key: str, contract: type, default: str | None = None) -> Any:
        value = self.given.get(key)
        made = self._made(contract, default if value is None else value, key)
        self.effective[key] = describe(made)
        return made

    def _made(self, contract: type, value: Any, key: str) -> Any:
        """An object named by its class or by its file, alone or with arguments."""
        where, kind = f"{self.path}: {key}", contract.__name__.lower()
        by_file = named(contract)
        known = by_file | {cls.__name__: cls for cls in by_file.values()}
        called = {value: {}} if isinstance(value, str) else value
        if not isinstance(called, dict) or len(called) != 1:
            raise UserError(f"{where} takes one {kind}, such as {{{next(iter(by_file), kind)}: {{}}}}, not {value!r}")
        ((name, arguments),) = called.items()
        cls = known.get(name) or _own(contract, name)
        if cls is None:
            raise UserError(
                f"{where}: there is no {kind} '{name}'{nearest(name, known)}; {kind}s: {', '.join(by_file)}"
            )
        if not isinstance(arguments or {}, dict):
            raise UserError(f"{where}: {name} takes named arguments, {{name: value}}, not {arguments!r}")
        return construct(cls, arguments or {}, where=f"{where}: {name}")

    def _settings(self, key: str, cls: Callable) -> Any:
        """An object whose class is known, from its arguments."""
        value = self.given.get(key) or {}
        if not isinstance(value, dict):
            raise UserError(f"{self.path}: '{key}' takes named values, {{name: value}}, not {value!r}")
        made = construct(cls, value, where=f"{self.path}: {key}")
        self.effective[key] = {name: describe(v) for name, v in made.arguments.items()}
        return made

    def _number(self, key: str, default: int | None, *, least: int) -> Any:
        value = self.given.get(key, default)
        kinds, words = ((int, float), "number") if key == "max_minutes" else (int, "whole number")
        right = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
        if value is not default and not right:
            raise UserError(f"{self.path}: '{key}' takes a {words} from {least}, not {value!r}")
        self.effective[key] = value
        return value


def _own(contract: type, name: str) -> type | None:
    found = configurables().get(name)
    return found if found is not None and issubclass(found, contract) else None
