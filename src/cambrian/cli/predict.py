"""`cambrian predict`: what a potential says of structures, beside their labels."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, err
from cambrian.cli.options import DataFiles, OwnClasses, PotentialFile, Reading, load_potential, reads_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cambrian.contracts.extrapolation import Outside
    from cambrian.data.dataset import Dataset


@reads_data
def predict(
    potential: PotentialFile,
    data: DataFiles,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the predictions.")],
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Predict energies, forces, stress and charges of structures.

    Predictions stand under the usual keys (energy, forces, stress); labels that came in move to REF_energy and so on.
    Where the potential can tell, `extrapolation` of a structure and `atomic_extrapolation` of its atoms say how far
    their features lie outside the training range, in its widths.
    """
    from cambrian.contracts.extrapolation import can_tell, extrapolation_of
    from cambrian.contracts.predict import predict as run
    from cambrian.data import write
    from cambrian.data.predictions import with_predictions

    model = load_potential(potential, own)
    structures = reading.read(data, labelled=False)
    with Bars() as bars:
        found = run(model, structures, progress=lambda fraction: bars("predict", fraction))
    predicted = with_predictions(structures, found)
    if can_tell(model):
        marked(predicted, extrapolation_of(model, structures))
    write(output, predicted)
    err().print(f"Wrote predictions of {len(structures)} structures into {output}")


def marked(structures: "Dataset", outside: "Iterable[tuple[NDArray, Outside | None]]") -> None:
    """Write severities into structures, and say how many extrapolate."""
    n_outside, furthest, place = 0, None, ""
    for s, (by_atom, found) in zip(structures, outside, strict=True):
        s.atoms.info["extrapolation"] = float(by_atom.max(initial=0.0))
        s.atoms.arrays["atomic_extrapolation"] = by_atom
        n_outside += found is not None
        if found is not None and (furthest is None or found.severity > furthest.severity):
            furthest, place = found, s.where
    if furthest is not None:
        lines = f"{n_outside} of {len(structures)} structures extrapolate; the furthest is {place}, {furthest}"
        err().print(f"[yellow]extrapolation:[/] {escape(lines)}")


COMMANDS = {"predict": predict}
