"""`cambrian predict`: what a potential says of structures, beside their labels."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, err
from cambrian.cli.options import DataFiles, OwnClasses, PotentialFile, Reading, load_model, reads_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cambrian.contracts.extrapolation import Outside
    from cambrian.contracts.potential import Potential
    from cambrian.data.dataset import Dataset


@reads_data
def predict(
    potential: PotentialFile,
    data: DataFiles,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the predictions.")],
    uncertainty: Annotated[
        bool, typer.Option(help="Tell how sure it is, where it can: a committee, or a linear potential.")
    ] = True,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Predict energies, forces, stress and charges of structures.

    Predictions stand under the usual keys (energy, forces, stress); labels that came in move to REF_energy and so on.
    Where the potential can tell, `extrapolation` of a structure and `atomic_extrapolation` of its atoms say how far
    their features lie outside the training range, in its widths; linear potentials add `extrapolation_grade`. Where
    it knows how sure it is, `energy_std`, `forces_std` (of each atom) and `stress_std` say so.
    """
    from cambrian.contracts.extrapolation import can_tell, extrapolation_of
    from cambrian.contracts.force_model import ForceModel
    from cambrian.contracts.predict import predict as run
    from cambrian.contracts.spread import tells_uncertainty
    from cambrian.data import write
    from cambrian.data.predictions import with_predictions

    model = load_model(potential, own)
    structures = reading.read(data, labelled=False)
    with Bars() as bars:
        found = run(model, structures, progress=lambda fraction: bars("predict", fraction))
    predicted = with_predictions(structures, found)
    if isinstance(model, ForceModel):
        err().print("forces alone: this model gives no energy and no stress")
    elif can_tell(model):
        marked(predicted, extrapolation_of(model, structures))
    if not isinstance(model, ForceModel) and uncertainty and tells_uncertainty(model):
        with Bars() as bars:
            unsure(predicted, model, lambda fraction: bars("uncertainty", fraction))
    write(output, predicted)
    err().print(f"Wrote predictions of {len(structures)} structures into {output}")


def marked(structures: "Dataset", outside: "Iterable[tuple[NDArray, NDArray | None, Outside | None]]") -> None:
    """Write severities into structures, and say how many extrapolate."""
    n_outside, furthest, place = 0, None, ""
    for s, (by_atom, grades, found) in zip(structures, outside, strict=True):
        s.atoms.info["extrapolation"] = float(by_atom.max(initial=0.0))
        s.atoms.arrays["atomic_extrapolation"] = by_atom
        if grades is not None:
            s.atoms.arrays["extrapolation_grade"] = grades
        n_outside += found is not None
        if found is not None and (furthest is None or found.severity > furthest.severity):
            furthest, place = found, s.where
    if furthest is not None:
        lines = f"{n_outside} of {len(structures)} structures extrapolate; the furthest is {place}, {furthest}"
        err().print(f"[yellow]extrapolation:[/] {escape(lines)}")


def unsure(structures: "Dataset", model: "Potential", progress: "Callable[[float], None]") -> None:
    """Write standard deviations into structures, and say what they are on the whole."""
    from cambrian.contracts.engine import spread_of

    spread, largest, place, total, n_atoms = spread_of(model), 0.0, "", 0.0, 0
    for k, (s, graph) in enumerate(zip(structures, structures.graphs(model.cutoff), strict=True)):
        found = spread(graph)
        forces = found.forces.detach().cpu().numpy()
        s.atoms.info["energy_std"] = float(found.energy[0])
        s.atoms.arrays["forces_std"] = forces
        if found.stress is not None and bool(found.stress.isfinite().all()):
            s.atoms.info["stress_std"] = found.stress[0].detach().cpu().numpy()
        if len(forces) and forces.max() > largest:
            largest, place = float(forces.max()), s.where
        total, n_atoms = total + float((forces**2).sum()), n_atoms + len(forces)
        progress((k + 1) / len(structures))
    words = f"{1e3 * (total / max(n_atoms, 1)) ** 0.5:.3g} meV/Å (RMS), {1e3 * largest:.3g} at most, in {place}"
    err().print(f"uncertainty of the force on an atom: {escape(words)}")


COMMANDS = {"predict": predict}
