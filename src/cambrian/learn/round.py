"""What a round of learning did, as a row of figures."""

import csv
import io
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Round:
    """A row of rounds.csv; round 0 is the fit to the initial structures, which explored nothing.

    `n_labels` counts training structures after the round; errors of candidates are those of the potential that proposed
    them, errors on the test set those of the potential fitted at the end. eV/atom, eV/Å; `largest_unsure` in the unit
    of the trigger. None where there is no figure.
    """

    number: int
    n_labels: int
    n_new: int
    n_unlabelled: int  # chosen, but the reference method failed
    n_frames: int = 0
    n_candidates: int = 0
    n_failed: int = 0
    accurate_fraction: float | None = None
    largest_unsure: float | None = None
    candidate_energy_rmse: float | None = None
    candidate_force_rmse: float | None = None
    test_energy_rmse: float | None = None
    test_force_rmse: float | None = None
    seconds: float = 0.0


def csv_of(rounds: list[Round]) -> str:
    """All rounds as CSV, with every digit."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [f.name for f in fields(Round)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(r) for r in rounds)
    return stream.getvalue()
