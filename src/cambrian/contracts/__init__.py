"""The few contracts that every method of the field keeps."""

from cambrian.configurable import Configurable, describe
from cambrian.contracts.archive import header_of, load, save
from cambrian.contracts.check import Check, Result
from cambrian.contracts.committee import Committee
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.force_model import ForceModel
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.linear import Linear, Rows
from cambrian.contracts.potential import Potential, Sum, Terms
from cambrian.contracts.prepared import Prepared, prepare
from cambrian.contracts.regressor import BasisRegressor, Regressor
from cambrian.contracts.sampler import Sampler
from cambrian.contracts.selector import Selector
from cambrian.contracts.solver import Solution, Solver
from cambrian.contracts.spread import Spread, uncertainty
from cambrian.contracts.trigger import Trigger

__all__ = [
    "BasisRegressor",
    "Check",
    "Committee",
    "Configurable",
    "Descriptor",
    "DescriptorPotential",
    "ForceModel",
    "Frozen",
    "Labeller",
    "Linear",
    "Potential",
    "Prediction",
    "Prepared",
    "Regressor",
    "Result",
    "Rows",
    "Sampler",
    "Selector",
    "Solution",
    "Solver",
    "Spread",
    "Sum",
    "Terms",
    "Trigger",
    "describe",
    "evaluate",
    "header_of",
    "load",
    "predictor",
    "prepare",
    "save",
    "uncertainty",
]
