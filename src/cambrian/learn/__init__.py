"""Active learning: explore, select, label, fit, until calm."""

from cambrian.learn.exploration import Exploration
from cambrian.learn.learn import Learned, Plan, Source, learn
from cambrian.learn.round import Round
from cambrian.learn.stop import Stop

__all__ = ["Exploration", "Learned", "Plan", "Round", "Source", "Stop", "learn"]
