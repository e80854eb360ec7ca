"""Choosing which structures are worth a label."""
