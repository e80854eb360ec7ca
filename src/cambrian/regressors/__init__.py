"""Maps from features to energies."""
