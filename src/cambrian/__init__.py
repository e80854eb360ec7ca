"""Cambrian: machine-learned interatomic potentials, from reference calculations to a validated potential in ASE and LAMMPS."""

from cambrian.contracts import (
    Committee,
    DescriptorPotential,
    Frozen,
    Potential,
    Sum,
    evaluate,
    load,
    predictor,
    save,
    uncertainty,
)
from cambrian.data import Dataset, Structure, read, write
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.graph import Graph, graph_of

__version__ = "0.1.0"

__all__ = [
    "Committee",
    "Dataset",
    "DescriptorPotential",
    "Frozen",
    "Graph",
    "Potential",
    "Structure",
    "Sum",
    "UserError",
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
