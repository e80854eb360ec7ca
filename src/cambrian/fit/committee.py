"""A committee: the same recipe fitted several times, so that its members agree only where the data speak.

Members differ in every `seed` of their constructors, in the seed of their fit, and in how much each structure counts:

    L_m = Σ_s w_ms L_s          w_ms drawn from an exponential distribution of mean 1          (Bayesian bootstrap)

The weights make members of a deterministic solver differ too; unlike a bootstrap that draws structures, they leave none
out: every member knows every element, and no copy of a training structure stands among those held out for validation.

D. B. Rubin, Ann. Statist. 9, 130 (1981); B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 2017.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cambrian.configurable import Configurable, describe
from cambrian.contracts.archive import header_of, restore, save
from cambrian.contracts.committee import Committee
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solution, Solver
from cambrian.contracts.spread import uncertainty
from cambrian.data.dataset import Dataset
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError
from cambrian.fit.fit import Fit, Part, assess, fit, refuse_new_elements, refuse_unlabelled
from cambrian.fit.problem import Progress

Resampling = Literal["weights", "none"]
SEEDS_APART = 1000  # between members, so that recipes with several seeds share none


class Members(Configurable):
    """How many members a committee has, and whether they differ by the weights of the structures or by seeds alone."""

    def __init__(self, *, members: int = 4, resampling: Resampling = "weights"):
        if members < 1:
            raise UserError(f"a committee has members; not {members}")
        self.members, self.resampling = members, resampling


def fit_committee(
    potential: Potential,
    train: Dataset,
    solver: Solver,
    *,
    n_members: int = 4,
    resampling: Resampling = "weights",
    validation: Dataset | None = None,
    test: Dataset | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress = lambda stage, fraction, words: None,
) -> Fit:
    """Fit `n_members` potentials built like `potential`, which itself stays as it is; the result is their mean.

    resampling: `weights` by the Bayesian bootstrap, or `none`, where seeds alone tell members apart.
    folder: where each finished member, and the checkpoint of the one under way, are kept; an interrupted committee
        resumes there.
    progress: called with a stage, the fraction done (0 to 1) and figures in words.
    Raises UserError as `fit` does, and where members come out alike.
    """
    if n_members < 2:
        raise UserError(f"a committee needs at least two members, not {n_members}")
    refuse_unlabelled(train)
    refuse_new_elements(train, validation)
    refuse_new_elements(train, test)
    made = [
        _member(potential, train, solver, k, resampling, validation, seed, folder, _of(progress, k, n_members))
        for k in range(n_members)
    ]
    members = [member for member, _ in made]
    refuse_alike(members)
    committee = Committee(members).eval()
    parts = {
        name: assess(committee, data, lambda fraction, name=name: progress("errors", fraction, name))
        for name, data in (("train", train), ("validation", validation), ("test", test))
        if data is not None and len(data)
    }
    solution = _joined([facts for _, facts in made])
    found = calibration(committee, parts["test"]) if "test" in parts else None
    if found is not None:
        solution.figures |= found[0]
        solution.notes.append(found[1])
    seconds = sum(facts["seconds"] for _, facts in made)
    return Fit(committee, solution, parts, seconds, seed, train.hash)


def _of(progress: Progress, k: int, n_members: int) -> Progress:
    """Progress of one member as part of the whole."""
    return lambda stage, fraction, words: progress(stage, (k + fraction) / n_members, f"member {k + 1}: {words}")


def _member(
    potential: Potential,
    train: Dataset,
    solver: Solver,
    k: int,
    resampling: Resampling,
    validation: Dataset | None,
    seed: int,
    folder: str | Path | None,
    progress: Progress,
) -> tuple[Potential, dict[str, Any]]:
    """Member `k` and what its solver said: read back where it was finished, else fitted."""
    made, its_solver = (advanced(x, k * SEEDS_APART) for x in (potential, solver))
    data = weighted(train, [seed, k]) if resampling == "weights" else train
    place = None if folder is None else Path(folder) / "members" / str(k)
    seed_here = seed + k * SEEDS_APART
    key = _key([describe(made), describe(its_solver)], data, validation, seed_here)
    if place is not None:
        record = _finished(place, key)
        if record is not None:
            return restore(made, place / "potential.safetensors"), record
        _begin(place, key)
    result = fit(made, data, its_solver, validation=validation, seed=seed_here, folder=place, progress=progress)
    solution = result.solution
    facts = {"history": solution.history, "notes": solution.notes, "figures": solution.figures}
    facts |= {"seconds": result.seconds}
    if place is None:
        return result.potential, facts
    save(result.potential, place / "potential.safetensors", {"key": key, **facts})
    (place / "checkpoint.safetensors").unlink(missing_ok=True)
    return result.potential, facts


def advanced(value: Any, by: int) -> Any:
    """A fresh object from the same constructor arguments, in which every whole number called `seed` is larger."""
    if isinstance(value, (list, tuple)):
        return type(value)(advanced(v, by) for v in value)
    if isinstance(value, dict):
        return {name: advanced(v, by) for name, v in value.items()}
    if not isinstance(value, Configurable):
        return value
    arguments = {
        name: v + by if name == "seed" and isinstance(v, int) else advanced(v, by)
        for name, v in value.arguments.items()
    }
    return type(value)(**arguments)


def weighted(data: Dataset, seed: list[int]) -> Dataset:
    """The data with the weights of one draw of the Bayesian bootstrap, on top of those they have."""
    counts = np.random.default_rng(seed).exponential(size=len(data))
    factors = np.sqrt(counts / counts.mean()) if len(data) else counts  # weights multiply residuals, not their squares
    kinds = ("energy", "force", "stress")
    return Dataset(
        replace(s, weights={kind: s.weights.get(kind, 1.0) * float(factor) for kind in kinds})
        for s, factor in zip(data, factors, strict=True)
    )


def refuse_alike(members: list[Potential]) -> None:
    """Raise UserError where two members have the same parameters."""
    for k, member in enumerate(members):
        for other in members[:k]:
            pairs = zip(member.state_dict().values(), other.state_dict().values(), strict=True)
            if all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs):
                raise UserError(
                    "members of the committee came out alike, for nothing in this recipe is random: "
                    "let them differ by the weights of the structures (committee.resampling=weights)"
                )


def calibration(committee: Committee, part: Part) -> tuple[dict[str, float], str] | None:
    """How errors of forces compare with the spread, as figures and in a sentence; None where none are known.

    `force_error_over_spread` is the root-mean-square error of the force on an atom over the root-mean-square spread;
    `spread_rank_correlation` is Spearman's, between the error and the spread of each atom.
    """
    errors, spreads = [], []
    for s, predicted, graph in zip(part.data, part.predicted, part.data.graphs(committee.cutoff), strict=True):
        if s.forces is not None and predicted.forces is not None:
            errors.append(np.linalg.norm(predicted.forces - s.forces, axis=1))
            spreads.append(uncertainty(committee, graph).forces.detach().numpy())
    if sum(map(len, errors)) < 3:
        return None
    error, spread = np.concatenate(errors), np.concatenate(spreads)
    if not spread.any():
        return None
    ratio = float(np.sqrt((error**2).mean() / (spread**2).mean()))
    rank = float(np.corrcoef(error.argsort().argsort(), spread.argsort().argsort())[0, 1])
    said = (
        f"On the test set errors of forces are {ratio:.1f} times the members' spread, "
        f"with a rank correlation of {rank:.2f}."
    )
    return {"force_error_over_spread": ratio, "spread_rank_correlation": rank}, said


def _joined(facts: list[dict[str, Any]]) -> Solution:
    """What the members' solvers said: the mean of their histories, their notes one by one."""
    longest = max((f["history"] for f in facts), key=len)
    history = []
    for k in range(len(longest)):
        rows = [f["history"][k] for f in facts if k < len(f["history"])]
        history.append({name: float(np.mean([r[name] for r in rows if name in r])) for name in longest[k]})
    notes = [f"Member {k + 1}: {note}" for k, f in enumerate(facts) for note in f["notes"]]
    return Solution(history=history, notes=notes, figures={"members": len(facts)})


def _key(content: list, data: Dataset, validation: Dataset | None, seed: int) -> str:
    words = [content, data.hash, [s.weights for s in data], None if validation is None else validation.hash, seed]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


def _finished(place: Path, key: str) -> dict[str, Any] | None:
    """What is noted of a member that an earlier run finished with the same recipe, data and seeds."""
    path = place / "potential.safetensors"
    record = header_of(path)["record"] if path.is_file() else {}
    return record if record.get("key") == key else None


def _begin(place: Path, key: str) -> None:
    """Mark whose checkpoint the folder holds; one of another member's is of no use."""
    marker = place / "key"
    if not marker.is_file() or marker.read_text(encoding="utf-8") != key:
        (place / "checkpoint.safetensors").unlink(missing_ok=True)
        write_text(marker, key)
