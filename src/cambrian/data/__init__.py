"""Structures with labels: reading, splitting, batches."""

from cambrian.data.dataset import Dataset
from cambrian.data.labels import Labels
from cambrian.data.read import read, write
from cambrian.data.structure import Structure

__all__ = ["Dataset", "Labels", "Structure", "read", "write"]
