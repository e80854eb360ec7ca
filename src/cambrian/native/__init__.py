"""Fused CPU loops: arrays in, arrays out."""
