"""Potential and labelled structures to a fitted potential."""

from cambrian.fit.fit import Fit, fit
from cambrian.fit.metrics import Errors
from cambrian.fit.problem import Problem, Weights

__all__ = ["Errors", "Fit", "Problem", "Weights", "fit"]
