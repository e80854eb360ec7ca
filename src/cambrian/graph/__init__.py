"""Structures as graphs of atoms and neighbors: what every potential computes from."""

from cambrian.graph.graph import Graph, Triplets, batch, sum_over_neighbors, sum_over_structures
from cambrian.graph.neighbors import NeighborList, graph_of, graph_of_all

__all__ = [
    "Graph",
    "NeighborList",
    "Triplets",
    "batch",
    "graph_of",
    "graph_of_all",
    "sum_over_neighbors",
    "sum_over_structures",
]
