"""Choosing which structures are worth a label: each selector is a file of this folder."""
