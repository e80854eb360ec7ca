"""Functions of numbers: bases, envelopes, couplings; no atoms here."""
