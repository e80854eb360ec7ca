"""Atomic cluster expansions for PACE: a .yace file, and the lines of LAMMPS that use it.

The same files as `deploy --to lammps-stock` writes; potentials without a cluster expansion are refused.
"""

from collections.abc import Callable
from pathlib import Path

from cambrian.contracts.lammps import LammpsPace
from cambrian.contracts.potential import Potential
from cambrian.deploy import lammps_stock
from cambrian.errors import UserError


def deploy(
    potential: Potential,
    folder: str | Path,
    *,
    name: str = "potential",
    remark: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a cluster expansion as a .yace file, with an `in.lammps` that also has its repulsion.

    Raises UserError for a potential that has no cluster expansion, or several.
    """
    n_expansions = sum(isinstance(term.lammps(), LammpsPace) for term in potential.terms())
    if n_expansions != 1:
        raise UserError(
            f"a .yace file holds one atomic cluster expansion; this potential has {n_expansions} (recipe ace makes one)"
        )
    remark("pair_style pace is in LAMMPS's package ML-PACE, which not every LAMMPS has")
    return lammps_stock.deploy(potential, folder, name=name)
