"""Tiny data, a small recipe of its own, and a runner of the command line."""

from pathlib import Path

import pytest
from small_data import write_argon
from typer.testing import CliRunner

from cambrian.cli import app

OWN = Path(__file__).parent / "own_model.py"
RECIPE, CLASS = f"{OWN}:powers", f"{OWN}:InversePowers"


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
    path = tmp_path / "descent.yaml"
    path.write_text(
        f"potential:\n  - DescriptorPotential:\n      descriptor: {{{CLASS}: {{powers: [4, 6, 12]}}}}\n"
        "      regressor: LinearRegressor\nsolver: {GradientDescent: {epochs: 6, batch_size: 4}}\n"
    )
    return path
