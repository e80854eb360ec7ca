"""Proposing structures."""
