"""Reference calculations."""
