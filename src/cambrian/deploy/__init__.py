"""Running a potential elsewhere."""
