"""What a fit is worth and what to be careful about, in plain words drawn from its figures."""

from pathlib import Path

import numpy as np

from cambrian.elements import symbols
from cambrian.fit.fit import Fit, Part
from cambrian.report.quantities import rounded

SCALE = ((0.03, "excellent"), (0.08, "good"), (0.2, "fair"), (0.4, "rough"), (np.inf, "poor"))
MEANING = (
    "The word compares the RMSE of force components with their typical size (the root mean square of the reference): "
    "excellent below 3 %, good below 8 %, fair below 20 %, rough below 40 %, poor above. Without forces it compares "
    "energies with their spread."
)
PART_WORDS = {
    "test": "test structures, which the fit has not seen,",
    "validation": "validation structures, which decided when training ended,",
    "train": "structures of the training set itself",
}


def judged(fit: Fit) -> str:
    """The most independent part there is: test, validation or train."""
    return next(name for name in ("test", "validation", "train") if name in fit.parts)


def verdict(fit: Fit, name: str) -> list[str]:
    """What was fitted, on what, how good."""
    train = fit.parts["train"].data
    files = list(dict.fromkeys(Path(s.source).name for s in train if s.source))
    origin = f" from {', '.join(files[:3])}{' and others' if len(files) > 3 else ''}" if files else ""
    first = (
        f"The recipe {name} was fitted to {len(train)} structures with {train.n_atoms} atoms of "
        f"{', '.join(symbols(train.numbers))}{origin}: {fit.n_parameters} parameters in {rounded(fit.seconds)} s."
    )
    part = judged(fit)
    figures = fit.parts[part].errors.figures()
    errors = []
    if figures["energy_mae"] is not None:
        errors.append(f"energies are off by {rounded(1e3 * figures['energy_mae'])} meV/atom")
    if figures["force_mae"] is not None:
        errors.append(f"force components by {rounded(1e3 * figures['force_mae'])} meV/Å")
    if not errors:
        return [first, "There is no label to judge it by."]
    second = f"On {figures['n_structures']} {PART_WORDS[part]} {' and '.join(errors)} on average (MAE)."
    if part == "train":
        return [first, second, "Nothing independent is there to judge it by: hold a test set out."]
    ratio, what = relative_error(fit.parts[part])
    if ratio is None:
        return [first, second]
    word = next(word for limit, word in SCALE if ratio < limit)
    third = f"That is {word}: the RMSE is {rounded(100 * ratio)} % of {what}."
    return [first, second, third]


def relative_error(part: Part) -> tuple[float | None, str]:
    """RMSE over the size of what is predicted, and the words for that size."""
    for pairs, what, center in (
        (part.errors.forces, "the typical force", False),
        (part.errors.energy, "the spread of the energies", True),
    ):
        present = pairs[np.isfinite(pairs).all(axis=1)]
        reference = present[:, 0] - (present[:, 0].mean() if center and len(present) else 0.0)
        size = np.sqrt(np.mean(reference**2)) if len(present) > 1 else 0.0
        if size > 1e-10:
            return float(np.sqrt(np.mean((present[:, 1] - present[:, 0]) ** 2)) / size), what
    return None, ""


def careful(fit: Fit, warnings: list[str]) -> list[str]:
    """What a user should know before trusting the figures."""
    found = [*_about_start(fit), *_about_test(fit), *_about_groups(fit), *_about_labels(fit), *_about_outliers(fit)]
    return [*found, *(f"The data: {w}" for w in warnings)]


def _about_start(fit: Fit) -> list[str]:
    if not fit.changes:
        return []
    if "old" not in fit.changes:
        return ["Whether it still knows what its start knew is not told: name old data with --set replay=FILE."]
    figures = fit.changes["old"].figures()
    return [
        f"On the old data the {words} RMSE rose to {rounded(after / before)} times that of the start: it forgets. More "
        "weight on the old data (--set replay_weight) or a larger part of them helps."
        for kind, words in (("energy_rmse", "energy"), ("force_rmse", "force"))
        if (before := figures["before"][kind]) and (after := figures["after"][kind]) and after > 1.5 * before
    ]


def _about_test(fit: Fit) -> list[str]:
    if "test" not in fit.parts:
        return ["There is no test set: errors on new structures are not known. Give --test or --test-fraction."]
    found = []
    test, train = (fit.parts[name].errors.figures() for name in ("test", "train"))
    if test["n_structures"] < 20:
        found.append(f"The test set has only {test['n_structures']} structures; its figures are uncertain.")
    for kind, words in (("energy_rmse", "energy"), ("force_rmse", "force")):
        known, new = train[kind], test[kind]
        if known and new and new > 1.5 * known:
            found.append(
                f"The {words} RMSE on the test set is {rounded(new / known)} times that on the training set: it has "
                "learned its training structures better than what lies between them. More or more varied data help."
            )
    return found


def _about_groups(fit: Fit) -> list[str]:
    part = fit.parts[judged(fit)]
    known, found = set(fit.parts["train"].data.groups), []
    new = [g for g in part.data.groups if g not in known]
    if new:
        found.append(
            f"Nothing of the group {', '.join(new)} was in the training set: there the potential extrapolates."
        )
    figures = part.errors.figures()
    for kind, words, unit in (("force_rmse", "force", "meV/Å"), ("energy_rmse", "energy", "meV/atom")):
        groups = {g: f[kind] for g, f in figures["groups"].items() if f[kind] is not None}
        worst = max(groups, key=groups.__getitem__, default=None)
        if len(groups) > 1 and worst is not None and groups[worst] > 2 * figures[kind]:
            found.append(
                f"The group {worst} is worse than the others: {words} RMSE {rounded(1e3 * groups[worst])} {unit}, "
                f"overall {rounded(1e3 * figures[kind])}."
            )
    return found


def _about_labels(fit: Fit) -> list[str]:
    train, found = fit.parts["train"].data, []
    n_labels = sum(s.has_energy + (0 if s.forces is None else 3 * len(s)) for s in train)
    if all(s.forces is None for s in train):
        found.append("There were no forces to fit to: forces come from energies alone and are less sure.")
    if all(s.stress is None for s in train) and any(s.atoms.pbc.all() for s in train):
        found.append("There was no stress to fit to: pressures and cell shapes are untested.")
    if fit.n_parameters > n_labels:
        found.append(f"There are more parameters ({fit.n_parameters}) than labels ({n_labels}).")
    return found


def _about_outliers(fit: Fit) -> list[str]:
    part = fit.parts[judged(fit)]
    difference = np.abs(part.errors.forces[:, 1] - part.errors.forces[:, 0])
    if not np.isfinite(difference).any():
        return []
    worst, rmse = int(np.nanargmax(difference)), float(np.sqrt(np.nanmean(difference**2)))
    if difference[worst] < 10 * rmse:
        return []
    structure = int(part.errors.force_structure[worst])
    atom = (worst - int(np.searchsorted(part.errors.force_structure, structure))) // 3
    return [
        f"One force component is off by {rounded(1e3 * difference[worst])} meV/Å, over ten times the RMSE: "
        f"{part.data.structures[structure].where}, atom {atom}. Look at that structure."
    ]
