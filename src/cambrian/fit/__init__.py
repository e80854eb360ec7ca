"""Potential and labelled structures to a fitted potential."""

from cambrian.fit.fit import Fit, fit
from cambrian.fit.metrics import Errors
from cambrian.fit.problem import Problem, Weights
from cambrian.fit.warm_start import WarmStart

__all__ = ["Errors", "Fit", "Problem", "WarmStart", "Weights", "fit"]
