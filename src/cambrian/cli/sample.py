"""`cambrian sample`: structures proposed by a sampler, with a potential or a reference method where it needs one."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, Interrupted, err, out, table, warn
from cambrian.cli.options import OwnClasses, Reading, SetOptions, load_potential, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from ase import Atoms

    from cambrian.contracts.labeller import Labeller
    from cambrian.contracts.potential import Potential

LOOKED_FOR = 5.0  # Å: how far apart the nearest atoms are looked for


@reads_data
def sample(
    sampler: Annotated[str, typer.Argument(metavar="SAMPLER", help="dynamics, rattle ... (list samplers).")],
    start: Annotated[list[str], typer.Argument(metavar="START...", help="Structures to start from.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The structures, extxyz.")],
    potential: Annotated[
        list[Path] | None, typer.Option(metavar="POTENTIAL", help="Drives it; several make a committee.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="A reference method that drives it (list labellers).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Propose structures: dynamics, normal modes, rattling, metadynamics, adversarial attack ...

    --set KEY=VALUE changes a setting of the sampler, --set method.KEY=VALUE one of the reference method. What a long
    run needs to go on is kept in a folder beside FILE.
    """
    from cambrian.configuration.kinds import make
    from cambrian.configuration.settings import Setting
    from cambrian.contracts.sampler import Sampler
    from cambrian.data import Dataset, write
    from cambrian.sample.starting import structure_of

    settings = [Setting.parse(text) for text in set_ or ()]
    chosen = make(Sampler, sampler, [s for s in settings if s.place[0] != "method"])
    driver = driver_of(potential, method, [s for s in settings if s.place[0] == "method"], own)
    if driver is None and chosen.needs_driver:
        raise UserError(f"{sampler} needs energies and forces: give --potential POTENTIAL or --method METHOD")
    if output.exists() and output.resolve() in [Path(path).resolve() for path in start]:
        raise UserError(f"{output} is what the structures start from; name another file with -o")
    begun = reading.read(start, labelled=False)
    try:
        with Bars() as bars, said_to_the_user():
            drawn = chosen.propose(begun, driver, seed=seed, folder=folder_beside(output), progress=bars)
    except KeyboardInterrupt:
        raise Interrupted("the same command goes on where it stood") from None
    write(output, Dataset([structure_of(atoms) for atoms in drawn]))
    show(drawn)
    err().print(f"Structures in {escape(str(output))}")


def folder_beside(output: Path) -> Path:
    """Where trajectories, hills and results are kept."""
    return output.with_name(f"{output.stem}.sampling")


def driver_of(paths, method: str | None, settings, own) -> "Potential | Labeller | None":
    """A potential, a committee of several, a reference method, or nothing."""
    from dataclasses import replace

    from cambrian.configuration.kinds import make
    from cambrian.contracts.committee import Committee
    from cambrian.contracts.labeller import Labeller

    if paths and method:
        raise UserError("give --potential or --method, not both")
    if settings and method is None:
        raise UserError(f"{settings[0].where}: there is no reference method to set; name it with --method")
    if method is not None:
        return make(Labeller, method, [replace(s, place=s.place[1:]) for s in settings if s.place[1:]])
    members = [load_potential(path, own) for path in paths or ()]
    return Committee(members) if len(members) > 1 else next(iter(members), None)


@contextmanager
def said_to_the_user() -> Iterator[None]:
    """Warnings of the package are printed when the bars are gone."""
    kept: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    handler, logger = Keep(logging.WARNING), logging.getLogger("cambrian")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        warn(kept)


def show(drawn: "list[Atoms]") -> None:
    """Print how many structures came of which kind, and how near their atoms are."""
    from cambrian.graph import graph_of

    groups = Counter(str(atoms.info.get("config_type", "")) for atoms in drawn)
    rows = [["structures", str(len(drawn))], *([name, str(n)] for name, n in groups.items() if len(groups) > 1)]
    graphs = [graph_of(atoms, LOOKED_FOR) for atoms in drawn]
    nearest = min((float(g.r_ij.norm(dim=-1).min()) for g in graphs if g.n_edges), default=None)
    rows.append(["shortest distance, Å", f"{nearest:.3f}" if nearest is not None else f"above {LOOKED_FOR:g}"])
    spreads = [atoms.info["force_spread"] for atoms in drawn if "force_spread" in atoms.info]
    if spreads:
        rows.append(["spread of forces, meV/Å, RMS", f"{1e3 * min(spreads):.3g} to {1e3 * max(spreads):.3g}"])
        above = [atoms.info["energy_above"] for atoms in drawn]
        rows.append(["energy above the start, meV/atom", f"{1e3 * min(above):.3g} to {1e3 * max(above):.3g}"])
    out().print(table("Sample", ["", ""], rows))


COMMANDS = {"sample": sample}
