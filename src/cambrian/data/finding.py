"""What the doctor says: one finding is a sentence, how grave it is, where it was seen, and the mend."""

from dataclasses import dataclass

GRAVITY = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing about a dataset that a user should know.

    `gravity`: `error` would spoil any fit, `warning` probably spoils one, `note` is worth knowing. `frames` are indices
    into the dataset, the gravest first, empty when it concerns them all.
    """

    name: str
    gravity: str
    sentence: str
    mend: str
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.gravity}: {self.sentence}; {self.mend}"
