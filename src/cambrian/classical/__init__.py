"""Pair potentials and reference energies."""
