"""`cambrian select`: choose the structures that are worth a label."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambrian.cli.console import Bars, err, out, table
from cambrian.cli.options import DataFiles, OwnClasses, Reading, Seed, SetOptions, load_potential, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.configuration import Setting
    from cambrian.contracts.selector import Selector

DESCRIPTOR = {"SO4Bispectrum": {"two_j_max": 6}}  # compared where neither a descriptor nor a potential is given
Guide = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A potential.safetensors, for selectors that ask one.")
]


@reads_data
def select(
    selector: Annotated[
        str, typer.Argument(metavar="SELECTOR", help="How to choose (cambrian list selectors), e.g. farthest_point.")
    ],
    data: DataFiles,
    number: Annotated[int, typer.Option("-n", "--number", metavar="N", help="How many to choose.", min=1)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the chosen, extxyz.")],
    rest: Annotated[Path | None, typer.Option(metavar="FILE", help="File for those not chosen.")] = None,
    known: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Structures that have labels already; may be repeated.")
    ] = None,
    potential: Guide = None,
    seed: Seed = None,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Choose N structures that are worth a label, the most wanted first.

    Labels are not needed, but `energy` and `force` use them where all structures have them. --set reaches the selector:
    n_bins=100, descriptor=ACSF, descriptor.cutoff=6, by=atoms.
    """
    from cambrian.configuration import Setting
    from cambrian.data import Dataset, write

    for path in (output, rest):
        if path is not None and path.is_dir():
            raise UserError(f"{path} is a folder; name a file such as {path / 'chosen.extxyz'}")
    model = load_potential(potential, own) if potential is not None else None
    method = made(selector, [Setting.parse(text) for text in set_ or ()], guided=model is not None)
    if method.needs_potential and model is None:
        raise UserError(f"{selector} asks a potential: give one with --potential FILE")
    candidates = reading.read(data, labelled=False)
    there = reading.read(known, labelled=False) if known else None
    with Bars() as bars:
        chosen = method.choose(
            candidates,
            number,
            known=there,
            potential=model,
            seed=seed or 0,
            progress=lambda fraction: bars("select", fraction),
        )
    if not chosen:
        raise UserError(f"there is nothing to choose: all {len(candidates)} structures are known already")
    write(output, candidates[chosen])
    left = sorted(set(range(len(candidates))) - set(chosen))
    if rest is not None and left:
        write(rest, Dataset(candidates[left]))
    out().print(groups(candidates, chosen))
    fewer = f"; {number} were asked for, there are no more" if len(chosen) < number else ""
    err().print(f"Wrote {len(chosen)} of {len(candidates)} structures into {output}{fewer}")


def made(name: str, settings: "Iterable[Setting]", *, guided: bool) -> "Selector":
    """A selector with its settings; where no potential guides it, it compares by a small bispectrum by default."""
    from cambrian.configuration import Setting
    from cambrian.configuration.kinds import class_of, make
    from cambrian.configuration.settings import defaults
    from cambrian.contracts.selector import Selector

    usual = [Setting(("descriptor",), DESCRIPTOR, "the usual descriptor of selectors")]
    open_ = "descriptor" in defaults(class_of(Selector, name)) and not guided
    return make(Selector, name, [*(usual if open_ else ()), *settings])


def groups(data, chosen: list[int]):
    """A table: how many of each group were chosen."""
    from collections import Counter

    all_of = Counter(s.group or "default" for s in data)
    taken = Counter(data[k].group or "default" for k in chosen)
    return table("Chosen", ["group", "chosen", "of"], [[g, str(taken[g]), str(n)] for g, n in all_of.items()])


COMMANDS = {"select": select}
