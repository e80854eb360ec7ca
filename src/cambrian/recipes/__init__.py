"""Published methods as short functions."""
