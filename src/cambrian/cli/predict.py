"""`cambrian predict`: what a potential says of structures, beside their labels."""

from pathlib import Path
from typing import Annotated

import typer

from cambrian.cli.console import Bars, err
from cambrian.cli.options import DataFiles, OwnClasses, PotentialFile, Reading, load_potential, reads_data


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
    """
    from cambrian.contracts.predict import predict as run
    from cambrian.data import write
    from cambrian.data.predictions import with_predictions

    model = load_potential(potential, own)
    structures = reading.read(data, labelled=False)
    with Bars() as bars:
        found = run(model, structures, progress=lambda fraction: bars("predict", fraction))
    write(output, with_predictions(structures, found))
    err().print(f"Wrote predictions of {len(structures)} structures into {output}")


COMMANDS = {"predict": predict}
