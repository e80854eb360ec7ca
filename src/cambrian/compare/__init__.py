"""Several recipes on one split of the data: errors, time of the fit, speed of dynamics, and which one to take."""

from cambrian.compare.comparison import Comparison, Row
from cambrian.compare.contest import Contest, contestants

__all__ = ["Comparison", "Contest", "Row", "contestants"]
