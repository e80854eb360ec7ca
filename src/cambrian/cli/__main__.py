"""`python -m cambrian.cli`."""

from cambrian.cli import main

main()
