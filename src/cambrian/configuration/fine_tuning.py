"""`start:` of a recipe: the fit goes on from a saved potential.

start: old/potential.safetensors     on the command line --set start=FILE
replay: [old.xyz]                    old data: trained on again, and judged by
replay_weight: 1.0                   how much their labels count beside new ones; 0 only judges by them
replay_fraction: 1.0                 how many of them are trained on again
start_rate: 0.1                      factor on the learning rate of gradient descent

The model file says by which recipe it was made, so the recipe need not be repeated; one that is given must agree.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from cambrian.configurable import describe
from cambrian.configuration.settings import Setting, apply
from cambrian.configuration.yaml_text import parse
from cambrian.contracts.archive import header_of, load
from cambrian.contracts.catalogue import construct
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit.warm_start import NO_DATA, WarmStart


@dataclass(frozen=True)
class FineTuning:
    """Which potential a fit goes on from, and what is replayed."""

    start: str
    replay: tuple[str, ...] = ()
    replay_weight: float = 1.0
    replay_fraction: float = 1.0
    start_rate: float = 0.1

    @classmethod
    def taken_from(cls, content: dict, settings: list[Setting], source: str) -> "FineTuning | None":
        """Take the keys of this class out of a recipe and its settings; None where there are none."""
        given: dict[str, Any] = {}
        for setting in [*Setting.all_of(_taken(content), source), *_taken_settings(settings)]:
            is_one_file = setting.place == ("replay",) and isinstance(setting.value, str)
            apply(cls, given, replace(setting, value=[setting.value]) if is_one_file else setting)
        if not given:
            return None
        if "start" not in given:
            raise UserError(f"{source}: '{next(iter(given))}' goes with 'start', the potential to go on from")
        return construct(cls, given, where=source)

    def completed(self, content: dict) -> dict:
        """What a recipe leaves out, from the start's header: all parameters, or the potential beside a solver."""
        header = header_of(self.start)
        made_by = _recipe_of(header)
        if set(content) <= {"recipe", "seed"} and made_by and content.get("recipe") in (None, made_by.get("recipe")):
            return made_by | content
        if {"recipe", "potential"} & set(content):
            return content
        if "solver" not in content:
            raise UserError(
                f"{self.start} does not say by which recipe it was made; name the recipe or its file beside "
                "start=..., or write a file with `start:` and `solver:`"
            )
        return {"potential": header["potential"]} | content

    def potential(self, intended: Potential) -> Potential:
        """The saved potential; raises UserError where a recipe intends another one."""
        start = load(self.start)
        place, wanted, present = _difference(describe(intended), describe(start)) or ("", None, None)
        if place:
            raise UserError(
                f"the recipe makes another potential than {self.start}: {place} is {wanted!r} in the recipe and "
                f"{present!r} there; only the solver may change when a fit goes on"
            )
        return start

    def warm_start(self, read: Callable[[list[str]], Dataset]) -> WarmStart:
        """The same for `fit`, with the old data read."""
        replay = read(list(self.replay)) if self.replay else NO_DATA
        return WarmStart(replay, self.replay_weight, self.replay_fraction, self.start_rate)

    def other_levels(self, train: Dataset) -> list[str]:
        """A warning where the new labels come from another level of theory than the start's."""
        known = (header_of(self.start).get("record") or {}).get("level_of_theory")
        found = sorted({s.level for s in train if s.level})
        if not known or not found or ", ".join(found) == known:
            return []
        return [
            f"{self.start} was fitted to {known}, the new data are {', '.join(found)}: their energies may differ by a "
            "constant per atom, which the fit has to learn"
        ]

    def content(self) -> dict[str, Any]:
        """What a recipe file holds of it."""
        return asdict(self) | {"replay": list(self.replay)}


KEYS = tuple(f.name for f in fields(FineTuning))


def _taken(content: dict) -> dict:
    return {key: content.pop(key) for key in KEYS if key in content}


def _taken_settings(settings: list[Setting]) -> list[Setting]:
    taken = [s for s in settings if s.place[0] in KEYS]
    settings[:] = [s for s in settings if s.place[0] not in KEYS]
    return taken


def _recipe_of(header: dict) -> dict | None:
    """The recipe that a header records; one that names files of code is not used, since a model file runs none."""
    text = (header.get("record") or {}).get("recipe")
    if not isinstance(text, str) or ".py:" in text:
        return None
    content = parse(text, "the recipe in the model file")
    kept = ("recipe", "parameters", "potential", "solver")
    return {key: content[key] for key in kept if key in content} if isinstance(content, dict) else None


def _difference(wanted, present, place: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two descriptions differ, with what stands there."""
    if isinstance(wanted, dict) and isinstance(present, dict) and wanted.keys() == present.keys():
        pairs = [(f"{place}.{key}".lstrip("."), wanted[key], present[key]) for key in wanted]
    elif isinstance(wanted, list) and isinstance(present, list) and len(wanted) == len(present):
        pairs = [(f"{place}.{k}", a, b) for k, (a, b) in enumerate(zip(wanted, present, strict=True))]
    else:
        return None if wanted == present else (place or "the potential", wanted, present)
    return next((found for name, a, b in pairs if (found := _difference(a, b, name))), None)


def is_model_file(source: str) -> bool:
    """Whether a recipe is given by a saved potential."""
    return Path(source).suffix == ".safetensors"
