"""Active learning: explore with the potential, label where it is unsure, fit again, until it is sure.

    initial structures -> label -> fit -> [ explore -> select -> label -> fit ] until calm

The result of every phase is written whole into a folder and read back from there, also when nothing was interrupted: a
run that was killed anywhere goes on with the phase it was in, and ends with the very same potential. Inside a phase,
labels, members of a committee, epochs and dynamics are resumed as they are elsewhere.

A. P. Bartók, G. Csányi, Int. J. Quantum Chem. 115, 1051 (2015); Y. Zhang et al. (DP-GEN), Comput. Phys. Commun. 253,
107206 (2020).
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cambrian.contracts.archive import header_of, load, save
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.contracts.selector import Selector
from cambrian.contracts.solver import Solver
from cambrian.contracts.trigger import Trigger
from cambrian.data.dataset import Dataset
from cambrian.data.read import read, write
from cambrian.data.structure import Structure
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.fit.committee import Resampling, fit_committee
from cambrian.fit.fit import Fit, assess, fit
from cambrian.label import label
from cambrian.learn.exploration import Exploration, Explored
from cambrian.learn.proposal import proposal
from cambrian.learn.round import Round, csv_of
from cambrian.learn.stop import Stop
from cambrian.sample.starting import seed_of

PHASES = ("explore", "select")  # numbers of their random seeds


@dataclass(frozen=True)
class Source:
    """Structures from files and from samplers; those that have no energy are labelled."""

    data: Dataset = field(default_factory=lambda: Dataset([]))
    samplers: tuple[Sampler, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is to be learned, and how; `make` gives a fresh potential and solver.

    `test` is never trained on. With `n_members` of 1 there is no committee, and the trigger must do without.
    """

    method: Labeller
    start: Dataset
    initial: Source
    make: Callable[[], tuple[Potential, Solver]]
    exploration: Exploration
    trigger: Trigger
    selector: Selector
    test: Source = Source()
    n_members: int = 4
    resampling: Resampling = "weights"
    labels_per_round: int = 20
    stop: Stop = field(default_factory=Stop)
    max_rounds: int = 10
    max_minutes: float | None = None
    workers: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Learned:
    """The rounds, why learning ended in words, whether it ended calm, and where the potential is."""

    rounds: list[Round]
    reason: str
    calm: bool
    potential: Path


def learn(
    plan: Plan,
    folder: str | Path,
    *,
    keep: Callable[[Path, Fit], None] = lambda folder, fit: _save(folder, fit),
    progress: Progress = lambda stage, fraction, words: None,
    on_round: Callable[[list[Round]], None] = lambda rounds: None,
) -> Learned:
    """Learn until calm; everything is kept in `folder`, where an interrupted run goes on.

    keep: writes the result of a fit into a folder, the file potential.safetensors last.
    on_round: called with all rounds whenever one has ended, those read back included.
    Raises UserError where the method, a sampler, the selector or the trigger cannot do what is asked.
    """
    run = _Run(plan, Path(folder), keep, progress)
    rounds = [run.initial()]
    on_round(rounds)
    while not (reason := _reason_to_end(plan, rounds)):
        rounds.append(run.round(len(rounds), rounds[-1].n_labels))
        write_text(run.folder / "rounds.csv", csv_of(rounds))
        on_round(rounds)
    write_text(run.folder / "rounds.csv", csv_of(rounds))
    path = save(run.potential, run.folder / "potential.safetensors", run.record)
    write(run.folder / "train.extxyz", run.train)
    return Learned(rounds, reason, plan.stop.reached(rounds), path)


def _save(folder: Path, fit: Fit) -> None:
    save(fit.potential, folder / "potential.safetensors", {"data_hash": fit.data_hash, "seed": fit.seed})


def _reason_to_end(plan: Plan, rounds: list[Round]) -> str:
    last = rounds[-1]
    if plan.stop.reached(rounds):
        return f"calm: {100 * (last.accurate_fraction or 0):.0f} % of the frames of round {last.number} were accurate"
    if last.number > 0 and last.n_candidates == 0 and last.n_failed > 0:
        return (
            f"stuck: every run of round {last.number} went straight from accurate to failed, with nothing to label "
            "between; look more often (exploration.every), raise trigger.high, or begin with more structures"
        )
    if last.number >= plan.max_rounds:
        return f"max_rounds: {plan.max_rounds} rounds were done"
    if plan.max_minutes is not None and sum(r.seconds for r in rounds) > 60 * plan.max_minutes:
        return f"max_minutes: {plan.max_minutes:g} minutes have passed"
    return ""


class _Run:
    """The state between phases: the potential as it was saved, and the structures it was fitted to."""

    def __init__(self, plan: Plan, folder: Path, keep: Callable[[Path, Fit], None], progress: Progress):
        self.plan, self.folder, self.keep, self.progress = plan, folder, keep, progress
        self.train, self.test = Dataset([]), Dataset([])
        self.potential: Potential
        self.record: dict = {}

    def initial(self) -> Round:
        """Round 0: structures from files and samplers, labelled, and the first fit."""
        begun, home = time.monotonic(), self.folder / "round-000"
        self.test, _ = self._labelled(self.plan.test, self.folder / "test", seed_of(self.plan.seed, 1))
        self.train, n_unlabelled = self._labelled(self.plan.initial, home, seed_of(self.plan.seed, 0))
        if not len(self.train):
            raise UserError("there is nothing to begin with: name files or samplers under `initial:`")
        self._fit(home)
        return self._noted(home, begun, Round(0, len(self.train), len(self.train), n_unlabelled))

    def round(self, number: int, n_labels: int) -> Round:
        """Explore, select, label, fit; a round without candidates changes nothing."""
        begun, home, plan = time.monotonic(), self.folder / f"round-{number:03d}", self.plan
        seeds = {phase: seed_of(plan.seed, 2, number, k) for k, phase in enumerate(PHASES)}
        explored = self._explored(home, seeds["explore"])
        row = Round(
            number,
            n_labels,
            n_new=0,
            n_unlabelled=0,
            n_frames=explored.n_frames,
            n_candidates=len(explored.candidates),
            n_failed=len(explored.failed) + explored.n_broken,
            accurate_fraction=explored.accurate_fraction,
            largest_unsure=explored.largest,
        )
        if len(explored.candidates):
            chosen = kept(home / "selected.extxyz", lambda: self._chosen(explored.candidates, seeds["select"]))
            new, n_unlabelled = self._label(chosen, home / "labelled.extxyz")
            row = replace(row, n_labels=n_labels + len(new), n_new=len(new), n_unlabelled=n_unlabelled)
            if len(new):
                errors = assess(self.potential, new).errors.figures()
                row = replace(
                    row, candidate_energy_rmse=errors["energy_rmse"], candidate_force_rmse=errors["force_rmse"]
                )
                self.train = self.train + new
                self._fit(home)
        return self._noted(home, begun, row)

    def _explored(self, home: Path, seed: int) -> Explored:
        """What exploring met; explored.json is written last, and tells that the other files are whole."""
        marker, plan = home / "explored.json", self.plan
        if not marker.exists():
            found = plan.exploration.explore(
                self.potential,
                plan.trigger,
                self.train,
                plan.start,
                seed=seed,
                folder=home / "explore",
                progress=self.progress,
            )
            kept(home / "candidates.extxyz", lambda: found.candidates)
            kept(home / "failed.extxyz", lambda: found.failed)
            facts = {"n_accurate": found.n_accurate, "n_broken": found.n_broken, "largest": found.largest}
            write_text(marker, json.dumps(facts))
        facts = json.loads(marker.read_text(encoding="utf-8"))
        return Explored(stored(home / "candidates.extxyz"), stored(home / "failed.extxyz"), **facts)

    def _chosen(self, candidates: Dataset, seed: int) -> Dataset:
        chosen = self.plan.selector.choose(
            candidates,
            min(self.plan.labels_per_round, len(candidates)),
            known=self.train,
            potential=self.potential,
            seed=seed,
            progress=lambda fraction: self.progress("select", fraction, f"from {len(candidates)} candidates"),
        )
        return candidates[chosen]

    def _labelled(self, source: Source, home: Path, seed: int) -> tuple[Dataset, int]:
        """All structures of a source, with labels."""
        if not len(source.data) and not source.samplers:
            return Dataset([]), 0
        proposed = kept(home / "sampled.extxyz", lambda: self._sampled(source.samplers, home, seed))
        return self._label(source.data + proposed, home / "labelled.extxyz")

    def _sampled(self, samplers: tuple[Sampler, ...], home: Path, seed: int) -> Dataset:
        found: list[Structure] = []
        for k, sampler in enumerate(samplers):
            proposed = sampler.propose(
                self.plan.start,
                self.plan.method if sampler.needs_driver else None,
                seed=seed_of(seed, k),
                folder=home / f"sampler-{k}",
                progress=self.progress,
            )
            found += [proposal(atoms) for atoms in proposed]
        return Dataset(found)

    def _label(self, structures: Dataset, path: Path) -> tuple[Dataset, int]:
        """The structures with labels, and how many have none because the reference method failed."""

        def compute() -> Dataset:
            known = {k: s for k, s in enumerate(structures) if s.has_energy}
            missing = [k for k in range(len(structures)) if k not in known]
            result = label(
                [structures[k] for k in missing],
                self.plan.method,
                cache=self.folder / "labels",
                workers=self.plan.workers,
                progress=self.progress,
            )
            failed = {f.index: f.reason for f in result.failures}
            write_text(path.with_name("unlabelled.json"), json.dumps(list(failed.values()), indent=1))
            done = [k for n, k in enumerate(missing) if n not in failed]
            known |= dict(zip(done, result.data, strict=True))
            return Dataset(known[k] for k in sorted(known))

        data = kept(path, compute)
        return data, len(structures) - len(data)

    def _fit(self, home: Path) -> None:
        """Fit to everything that is known, and take the potential as it was saved."""
        folder, plan = home / "fit", self.plan
        path = folder / "potential.safetensors"
        if not path.exists():
            potential, solver = plan.make()
            how = {"seed": plan.seed, "folder": folder, "progress": self.progress}
            how |= {"test": self.test if len(self.test) else None}
            if plan.n_members > 1:
                members = {"n_members": plan.n_members, "resampling": plan.resampling}
                found = fit_committee(potential, self.train, solver, **members, **how)
            else:
                found = fit(potential, self.train, solver, **how)
            self.keep(folder, found)
        self.potential, self.record = load(path), header_of(path)["record"]

    def _noted(self, home: Path, begun: float, row: Round) -> Round:
        """The row of a round with the errors on the test set, as it was written when the round ended."""
        path = home / "round.json"
        if not path.exists():
            errors = assess(self.potential, self.test).errors.figures() if len(self.test) else {}
            row = replace(
                row,
                test_energy_rmse=errors.get("energy_rmse"),
                test_force_rmse=errors.get("force_rmse"),
                seconds=time.monotonic() - begun,
            )
            write_text(path, json.dumps(asdict(row)))
        return Round(**json.loads(path.read_text(encoding="utf-8")))


def kept(path: Path, make: Callable[[], Dataset]) -> Dataset:
    """The structures of a file, which is made where it is not there yet."""
    if not path.exists():
        data = make()
        if len(data):
            write(path, data)
        else:
            write_text(path, "")
    return stored(path)


def stored(path: Path) -> Dataset:
    """The structures of a file that may be empty."""
    return read(path, labelled=False) if path.stat().st_size else Dataset([])
