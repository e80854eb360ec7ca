"""Charges and long-range electrostatics."""
