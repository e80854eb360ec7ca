"""A commented recipe file to start from, chosen from what the data hold."""

import inspect
import re
import textwrap

from cambrian.configuration.recipe import Recipe, recipes
from cambrian.configuration.yaml_text import dump
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.errors import UserError


def starter(data: Dataset, files: str, *, place: str = "recipe.yaml") -> str:
    """YAML of the suggested recipe with every value it has, why it was chosen, and what else to try.

    `files` and `place` are the data and the file it will stand in, for the command that its comment shows.
    """
    name, reason = suggestion(data)
    recipe = Recipe.of(name)
    others = [other for other in recipes() if other != name]
    head = [
        f"A starting point for {files}.",
        _census(data),
        f"{name}: {reason}",
        f"Fit it:  cambrian fit {place} {files} --test-fraction 0.1 -o fit",
        *([f"Others to try: {', '.join(others)} (cambrian list recipes)."] if others else []),
        "Every value below is the default; lines you do not need may go.",
    ]
    comments = _argument_comments(recipes()[name])
    lines = [f"# {line}" for text in head for line in textwrap.wrap(text, 98, break_on_hyphens=False)]
    lines += ["", f"recipe: {name}", "parameters:"]
    for key, value in recipe.content["parameters"].items():
        lines += [f"  # {line}" for line in textwrap.wrap(comments.get(key, ""), 96)]
        lines += textwrap.indent(dump({key: value}).rstrip(), "  ").splitlines()
    return "\n".join([*lines, "seed: 0"]) + "\n"


def suggestion(data: Dataset) -> tuple[str, str]:
    """A recipe's name and why it suits the data."""
    known = recipes()
    molecules = not any(s.atoms.pbc.any() for s in data)
    n_elements, n_forces = len(data.numbers), sum(len(s) for s in data if s.forces is not None)
    if molecules or n_elements > 3:
        wanted = ("hdnnp", "molecules or many elements: a neural network with symmetry functions.")
    elif n_elements == 1 and len(data) + 3 * n_forces > 20000:
        wanted = ("qsnap", "one element and many forces: quadratic SNAP is fitted in one solve and runs fast.")
    else:
        wanted = ("snap", "few elements: SNAP is fitted in one solve, runs fast, and in stock LAMMPS.")
    if wanted[0] in known:
        return wanted
    if not known:
        raise UserError("there is no recipe to start from; this installation is damaged: install cambrian again")
    return next(iter(known)), "the first there is."


def _census(data: Dataset) -> str:
    kinds = {
        "energies": sum(s.has_energy for s in data),
        "forces": sum(s.forces is not None for s in data),
        "stress": sum(s.stress is not None for s in data),
    }
    present = ", ".join(f"{kind} of {n}" for kind, n in kinds.items() if n)
    sizes = [len(s) for s in data]
    return (
        f"It holds {len(data)} structures of {min(sizes)} to {max(sizes)} atoms ({', '.join(symbols(data.numbers))}), "
        f"with {present or 'no labels'}."
    )


def _argument_comments(function) -> dict[str, str]:
    """What a docstring says of each argument, in lines such as `cutoff: Å; how far ...` or `radii, weights: ...`."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        entry = re.match(r"\s*(\w+(?:, \w+)*): (.*)", line)
        if entry and set(entry[1].split(", ")) <= set(inspect.signature(function).parameters):
            names = entry[1].split(", ")
            found[names[0]] = f"{entry[1]}: {entry[2]}" if len(names) > 1 else entry[2]
        elif names and line.startswith(" ") and line.strip():
            found[names[0]] += f" {line.strip()}"
        else:
            names = []
    return found
