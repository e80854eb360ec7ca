"""`pair_style cambrian` for LAMMPS: a plugin, compiled once for the LAMMPS that loads it."""
