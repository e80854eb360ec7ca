"""Label: reference calculations for structures, in parallel, cached, interruptible."""

from cambrian.label.run import Failure, Labelled, label

__all__ = ["Failure", "Labelled", "label"]
