"""The command line as a whole: it starts fast, says what there is, and its options are those of the library."""

import inspect
import json
import subprocess
import sys
import time
from dataclasses import fields

import pytest

import cambrian
from cambrian.cli.options import Reading


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True)


def test_help_does_not_import_torch():
    start = time.monotonic()
    done = python("-X", "importtime", "-m", "cambrian.cli", "--help")
    seconds = time.monotonic() - start
    assert done.returncode == 0
    assert "fit" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "ase", "scipy", "matplotlib"}
    assert seconds < 5  # 0.4 s alone; the machine may be busy


def test_version(run):
    assert cambrian.__version__ in run("--version").stdout


def test_reading_options_are_those_of_read():
    taken = {name for name, p in inspect.signature(cambrian.read).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert {f.name for f in fields(Reading)} == taken - {"labelled"}


@pytest.mark.parametrize(
    "what", ["potentials", "descriptors", "regressors", "solvers", "schedules", "checks", "formats"]
)
def test_list_knows_every_kind(run, what):
    said = run("list", what).stdout
    assert said.startswith(what)
    assert len(said.splitlines()) > 2


def test_list_without_a_kind_shows_all(run):
    said = run("list").stdout
    for name in ("LeastSquares", "errors", "LinearRegressor", "extxyz"):
        assert name in said


def test_list_of_nothing(run):
    assert "did you mean 'solvers'?" in run.refuses("list", "solver")


def test_schema_accepts_and_refuses(run, fitted):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(run("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"potential": [{"IsolatedAtoms": {}}], "solver": {"LeastSquares": {"ridge": 1e-8}}}
    validator = jsonschema.Draft202012Validator(schema)
    assert not list(validator.iter_errors(good))
    assert list(validator.iter_errors(good | {"solver": {"LeastSquares": {"ridge": "small"}}}))
    assert list(validator.iter_errors(good | {"seeed": 1}))


def test_schema_names_every_class_and_recipe(run, tmp_path):
    from cambrian.configuration.recipe import recipes
    from cambrian.contracts.catalogue import configurables

    run("schema", "-o", tmp_path / "schema.json")
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert set(configurables()) <= set(schema["$defs"])
    named = {form["properties"]["recipe"]["const"] for form in schema["oneOf"] if "recipe" in form["properties"]}
    assert named == set(recipes())


def test_names_of_the_package():
    assert callable(cambrian.fit)
    assert cambrian.LeastSquares.__name__ == "LeastSquares"
    assert set(cambrian.__all__) <= {name for name in cambrian.__all__ if getattr(cambrian, name) is not None}
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        cambrian.Nonsense  # noqa: B018
