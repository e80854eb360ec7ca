"""Tiny data, a small recipe of its own, and a runner of the command line."""

import signal
from pathlib import Path

import pytest
from small_data import write_argon
from small_recipe import RECIPE, write_descent
from typer.testing import CliRunner

from cambrian.cli import app
from cambrian.cli.console import Bars


class Runner:
    """Runs commands and keeps their output apart."""

    def __call__(self, *arguments: object, code: int = 0):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == code, f"exit code {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def refuses(self, *arguments: object) -> str:
        """What a command says that must refuse, in one line."""
        result = self(*arguments, code=2)
        assert "Traceback" not in result.stderr
        return " ".join(result.stderr.split())


@pytest.fixture(scope="session")
def run() -> Runner:
    return Runner()


@pytest.fixture
def interrupt(run, monkeypatch):
    """Runs a command into a SIGINT in the middle of a stage, and returns what it said."""

    def interrupted(stage: str, fraction: float, *arguments: object) -> str:
        move = Bars.__call__

        def stop(self, name, done, words=""):
            move(self, name, done, words)
            if name == stage and done >= fraction:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(Bars, "__call__", stop)
            before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of xdist ignore it
            try:
                return run(*arguments, code=130).stderr
            finally:
                signal.signal(signal.SIGINT, before)

    return interrupted


@pytest.fixture(scope="session")
def argon(tmp_path_factory) -> Path:
    return write_argon(tmp_path_factory.mktemp("data") / "argon.xyz")


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, run, argon) -> Path:
    """The folder of a fit."""
    folder = tmp_path_factory.mktemp("fitted") / "fit"
    run("fit", RECIPE, argon, "--test-fraction", "0.25", "-o", folder)
    return folder


@pytest.fixture
def descent(tmp_path) -> Path:
    """A recipe file with gradient descent."""
    return write_descent(tmp_path / "descent.yaml")
