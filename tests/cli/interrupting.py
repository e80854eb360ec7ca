"""The command line with a real SIGINT in the middle of a stage: `interrupting.py STAGE FRACTION ARGUMENTS...`."""

import os
import signal
import sys

import cambrian.cli.console as console
from cambrian.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent that ignores it passes that on
stage, fraction = sys.argv[1], float(sys.argv[2])
move = console.Bars.__call__


def interrupted(self, name: str, done: float, words: str = "") -> None:
    move(self, name, done, words)
    if name == stage and done >= fraction:
        os.kill(os.getpid(), signal.SIGINT)


console.Bars.__call__ = interrupted
sys.argv[1:] = sys.argv[3:]
main()
