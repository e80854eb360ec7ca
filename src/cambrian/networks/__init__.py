"""Message-passing networks."""
