"""`python -m cambrian` is the command line."""

from cambrian.cli import main

main()
