"""Checks of a potential against a reference."""
