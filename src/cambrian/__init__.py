"""Cambrian: machine-learned interatomic potentials, from reference data to a validated potential in ASE and LAMMPS.

Names are imported when they are first used, so that `cambrian --help` does not wait for torch. Every concrete class of
the catalogue (`cambrian.ACSF`, `cambrian.LeastSquares` ...) is found here by its name.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cambrian.calculator import Calculator
    from cambrian.contracts import (
        Check,
        Committee,
        Descriptor,
        DescriptorPotential,
        Frozen,
        Labeller,
        Linear,
        Potential,
        Prediction,
        Regressor,
        Result,
        Solution,
        Solver,
        Spread,
        Sum,
        Terms,
        describe,
        evaluate,
        load,
        predictor,
        save,
        uncertainty,
    )
    from cambrian.data import Dataset, Labels, Structure, read, write
    from cambrian.errors import UserError
    from cambrian.fit import Fit, fit
    from cambrian.graph import Graph, graph_of

__version__ = "0.1.0"

__all__ = [
    "Calculator",
    "Check",
    "Committee",
    "Dataset",
    "Descriptor",
    "DescriptorPotential",
    "Fit",
    "Frozen",
    "Graph",
    "Labeller",
    "Labels",
    "Linear",
    "Potential",
    "Prediction",
    "Regressor",
    "Result",
    "Solution",
    "Solver",
    "Spread",
    "Structure",
    "Sum",
    "Terms",
    "UserError",
    "describe",
    "evaluate",
    "fit",
    "graph_of",
    "load",
    "predictor",
    "read",
    "save",
    "uncertainty",
    "write",
]
_HOMES = ("errors", "data", "graph", "contracts", "fit", "calculator")


def __getattr__(name: str) -> Any:
    if name in __all__:
        homes = (importlib.import_module(f"{__name__}.{home}") for home in _HOMES)
        return next(vars(home)[name] for home in homes if name in vars(home))
    if name[:1].isupper():
        found = importlib.import_module(f"{__name__}.contracts.catalogue").configurables()
        if name in found:
            return found[name]
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


class _Package(types.ModuleType):
    """This package, in which `fit` stays the function although a folder has the same name."""

    @property
    def fit(self):
        return __getattr__("fit")

    @fit.setter
    def fit(self, folder: types.ModuleType) -> None:
        """Importing the folder would put it here."""


sys.modules[__name__].__class__ = _Package
