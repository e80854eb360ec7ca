"""Looks at every step of a run for atoms whose features leave the ranges of the training set.

A line is told, and the frame kept, where a feature of an element first lies `NOTABLE` widths outside its range, and
again whenever it has come twice as far: a run that goes astray is heard from often, one that stays near it hardly ever.
Every warning (one feature of one atom in one step, as n2p2 counts them) is counted, however small.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from cambrian.contracts.extrapolation import ExtrapolationWatch, Outside, Seen, highest_grade, severities, worst
from cambrian.data.formats.extxyz import frame_text
from cambrian.data.labelling import charge_and_spin
from cambrian.data.structure import Structure
from cambrian.errors import UserError

NOTABLE = 0.05  # widths: below, a run at the edge of the data would be told at every turn
MOST_NOTES = 1000


class ExtrapolationGuard:
    """The eyes of one run: pass it to `Dynamics.run`, inside `with guard.watch:`.

    stop_above: severity (widths of the training range) at which the run ends.
    frames: extended XYZ file for the frames that were told of; `extrapolation` (atoms,) holds the severities.
    every: look at every so many steps; more than 1 is for potentials that compute features only to be watched.
    say: called with each line. Raises UserError for a potential that cannot tell.
    """

    def __init__(
        self,
        watch: ExtrapolationWatch,
        *,
        stop_above: float | None = None,
        frames: str | Path | None = None,
        every: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ):
        if stop_above is not None and not stop_above > 0:
            raise UserError("a run stops at a severity above 0, in widths of the training range, such as 0.5")
        self.watch, self.stop_above, self.every, self.say = watch, stop_above, every, say
        self.frames = None if frames is None else Path(frames)
        self.n_looks, self.n_looks_outside, self.n_warnings, self.n_notes = 0, 0, 0, 0
        self.n_bytes, self.largest_grade = 0, 0.0
        self.worst: dict[str, Outside] = {}  # by element
        self._told = [known.lowest.new_zeros(len(known.lowest), known.n_measures) for known in watch.ranges]

    @property
    def warnings_per_step(self) -> float:
        """Extrapolation warnings per step that was looked at."""
        return self.n_warnings / max(self.n_looks, 1)

    def look(self, atoms: Atoms, step: int, time_fs: float) -> str:
        """Judge the step whose forces were just computed; a reason to end the run, or nothing."""
        seen = self.watch.seen() if step % self.every == 0 else []
        self.watch.listen((step + 1) % self.every == 0)
        return self.judge(seen, atoms, step, time_fs) if seen else ""

    def judge(self, seen: list[Seen], atoms: Atoms, step: int, time_fs: float) -> str:
        """The same for what was seen of a step."""
        self.n_looks += 1
        if (graded := highest_grade(seen)) is not None:
            self.largest_grade = max(self.largest_grade, float(graded.max()))
        n_warnings = sum(int((s.outside > 0).sum()) for s in seen)
        if n_warnings == 0:
            return ""
        self.n_warnings += n_warnings
        self.n_looks_outside += 1
        self._remember(seen)
        news = [found for k, s in enumerate(seen) if (found := self._news(k, s)) is not None]
        if news and self.n_notes < MOST_NOTES:
            self._note(max(news, key=lambda found: found.severity), severities(seen), atoms, step, time_fs)
        return self.objection(seen)

    def objection(self, seen: list[Seen] | None = None) -> str:
        """Why the run must end where it stands, by the last step; nothing where it may go on."""
        furthest = worst(self.watch.seen() if seen is None else seen)
        if self.stop_above is None or furthest is None or furthest.severity < self.stop_above:
            return ""
        return f"it extrapolates, {furthest}"

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        counts = {name: getattr(self, name) for name in COUNTS}
        worst_of = {element: vars(found) for element, found in self.worst.items()}
        return counts | {
            "largest_grade": self.largest_grade,
            "worst": worst_of,
            "told": [told.tolist() for told in self._told],
        }

    def resume(self, facts: dict[str, Any]) -> None:
        """Go on from a checkpoint; frames kept after it are written anew."""
        for name in COUNTS:
            setattr(self, name, facts[name])
        self.largest_grade = facts.get("largest_grade", 0.0)
        self.worst = {element: Outside(**found) for element, found in facts["worst"].items()}
        self._told = [torch.tensor(t).to(r.lowest) for t, r in zip(facts["told"], self.watch.ranges, strict=True)]
        if self.frames is not None and self.frames.exists():
            with self.frames.open("r+b") as file:
                file.truncate(self.n_bytes)

    def begin(self) -> None:
        """Forget frames of a run that is begun anew."""
        if self.frames is not None:
            self.frames.unlink(missing_ok=True)

    def _remember(self, seen: list[Seen]) -> None:
        """Keep what lies furthest outside of each element."""
        for s in seen:
            by_atom, column = s.outside.max(dim=1)
            for index in torch.unique(s.species[by_atom > 0]).tolist():
                atom = int(torch.where(s.species == index, by_atom, -1.0).argmax())
                element = s.element(index)
                if element not in self.worst or by_atom[atom] > self.worst[element].severity:
                    self.worst[element] = s.where(atom, int(column[atom]))

    def _news(self, k: int, seen: Seen) -> Outside | None:
        """The furthest of what was not told yet, or has come twice as far; all of it counts as told from now on."""
        told = self._told[k]
        by_element = torch.stack(
            [torch.where((seen.species == s)[:, None], seen.outside, 0.0).amax(dim=0) for s in range(len(told))]
        )
        is_new = by_element >= (2 * told).clamp(min=NOTABLE)
        if not bool(is_new.any()):
            return None
        self._told[k] = torch.where(is_new, by_element, told)
        candidates = torch.where(is_new[seen.species], seen.outside, -1.0)
        atom, feature = divmod(int(candidates.argmax()), candidates.shape[1])
        return seen.where(atom, feature)

    def _note(self, found: Outside, by_atom: torch.Tensor, atoms: Atoms, step: int, time_fs: float) -> None:
        self.n_notes += 1
        self.say(f"{time_fs:g} fs: {found}")
        if self.n_notes == MOST_NOTES:
            self.say(f"extrapolation was told {MOST_NOTES} times: from here on it is only counted")
        if self.frames is None:
            return
        frame = atoms.copy()
        frame.set_constraint()
        frame.arrays["extrapolation"] = by_atom.cpu().numpy()
        frame.info |= {"step": step, "time_fs": time_fs, "extrapolates": str(found)}
        total_charge, spin = charge_and_spin(atoms.info)
        text = frame_text(Structure(atoms=frame, total_charge=total_charge, spin=spin)).encode()
        try:
            self.frames.parent.mkdir(parents=True, exist_ok=True)
            with self.frames.open("ab") as file:
                file.write(text)
                self.n_bytes = file.tell()
        except OSError as error:
            raise UserError(f"cannot write {self.frames}: {error.strerror or error}; free some space") from error


COUNTS = ("n_looks", "n_looks_outside", "n_warnings", "n_notes", "n_bytes")
