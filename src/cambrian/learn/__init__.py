"""Active learning: explore, select, label, fit, until calm."""
