"""Potential and labelled structures to a fitted potential."""
