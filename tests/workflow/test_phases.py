"""`cambrian run`: phases in order, passed over where nothing changed, taken up where one failed."""

from pathlib import Path

import pytest

from cambrian.errors import UserError
from cambrian.workflow.phases import phases_of, run_phases

COMMANDS = {
    "label": ["output", "workers"],
    "fit": ["output", "test-fraction", "set", "trust-data"],
    "validate": ["json"],
}
TEXT = """
phases:
  - label: {arguments: [tblite, start.xyz], output: data.xyz}
  - fit: {arguments: [snap, "data*.xyz"], output: fit, set: [a=1, b=2], trust_data: true, test-fraction: 0.5}
  - validate: {arguments: [errors, fit, data.xyz], json: errors.json}
"""


class Commands:
    """Stands in for the command line: writes what a phase would write, and notes what was asked for."""

    def __init__(self, folder: Path):
        self.folder, self.asked, self.codes = folder, [], {}
        (folder / "start.xyz").write_text("one")
        (folder / "w.yaml").write_text(TEXT)

    def __call__(self, words, folder):
        assert folder == self.folder
        self.asked.append(words)
        code = self.codes.get(words[0], 0)
        if words[0] == "label" and code == 0:
            (folder / "data.xyz").write_text("labelled " + (folder / "start.xyz").read_text()[:3])
        if words[0] == "fit" and code == 0:
            (folder / "fit").mkdir(exist_ok=True)
            (folder / "fit" / "potential").write_text((folder / "data.xyz").read_text())
        if words[0] == "validate" and code == 0:
            (folder / "errors.json").write_text("{}")
        return code

    def run(self) -> list[str]:
        """The phases that were run."""
        self.asked = []
        path = self.folder / "w.yaml"
        self.code = run_phases(path, phases_of(path, COMMANDS), self)
        return [words[0] for words in self.asked]


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path)


def test_the_words_of_a_phase(commands):
    commands.run()
    assert commands.asked[1] == [
        *("fit", "snap", "data*.xyz", "--output", "fit", "--set", "a=1", "--set", "b=2", "--trust-data"),
        *("--test-fraction", "0.5"),
    ]


def test_in_order_and_once(commands):
    assert commands.run() == ["label", "fit", "validate"]
    assert commands.run() == []


def test_what_changed_is_run_again_and_what_follows_from_it(commands):
    commands.run()
    (commands.folder / "start.xyz").write_text("two")
    assert commands.run() == ["label", "fit", "validate"]


def test_the_same_outcome_ends_the_chain(commands):
    commands.run()
    (commands.folder / "start.xyz").write_text("one, with a comment")
    assert commands.run() == ["label"]


def test_files_that_a_yaml_file_names_count_too(commands):
    (commands.folder / "learn.yaml").write_text("initial: {data: [start.xyz]}\nmethod: tblite\nseed: 0\n")
    text = "phases: [{label: {arguments: [learn.yaml], output: data.xyz}}]"
    (commands.folder / "w.yaml").write_text(text)
    assert commands.run() == ["label"]
    assert commands.run() == []
    (commands.folder / "start.xyz").write_text("two")
    assert commands.run() == ["label"]


def test_pages_beside_a_potential_change_nothing(commands):
    commands.run()
    model = commands.folder / "fit" / "potential.safetensors"
    model.write_text("first")
    assert commands.run() == ["validate"]
    (commands.folder / "fit" / "potential.validation.json").write_text("{}")
    assert commands.run() == []
    model.write_text("second")
    assert commands.run() == ["validate"]


def test_a_lost_output_is_made_again(commands):
    commands.run()
    (commands.folder / "errors.json").unlink()
    assert commands.run() == ["validate"]


def test_other_arguments_are_another_phase(commands):
    commands.run()
    (commands.folder / "w.yaml").write_text(TEXT.replace("0.5", "0.4"))
    assert commands.run() == ["fit"]


def test_it_ends_where_a_phase_fails_and_goes_on_there(commands):
    commands.codes = {"fit": 2}
    assert commands.run() == ["label", "fit"]
    assert commands.code == 2
    commands.codes = {}
    assert commands.run() == ["fit", "validate"]
    assert commands.code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("phases: [{fitt: {output: a}}]", "did you mean 'fit'?"),
        ("phases: [{fit: {outptu: a}}]", "did you mean 'output'?"),
        ("phases: [{fit: {arguments: snap}}]", "takes a list"),
        ("phases: [{fit: {set: {a: 1}}}]", r"\[a=1, b.c=2\]"),
        ("phases: [fit]", "one command with its arguments"),
        ("phases: []", "holds `phases:`"),
        ("steps: [{fit: {}}]", "holds `phases:`"),
    ],
)
def test_mistakes_are_told_with_the_mend(text, words, tmp_path):
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        phases_of(path, COMMANDS)


def test_every_command_but_itself_may_be_a_phase():
    from cambrian.cli.run import options

    found = options()
    assert {"fit", "label", "sample", "learn", "validate"} <= set(found)
    assert "run" not in found
    assert "test-fraction" in found["fit"]


def test_from_the_command_line(tmp_path):
    import json
    import subprocess
    import sys

    from small_data import write_argon
    from small_recipe import RECIPE

    write_argon(tmp_path / "argon.xyz")
    content = {"phases": [{"fit": {"arguments": [RECIPE, "argon.xyz"], "test-fraction": 0.25, "output": "fit"}}]}
    (tmp_path / "w.yaml").write_text(json.dumps(content))
    command = [sys.executable, "-m", "cambrian.cli", "run", tmp_path / "w.yaml"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "fit" / "potential.safetensors").exists()
    assert "phase 1 fit: cambrian fit" in first.stderr
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "phase 1 fit: done" in again.stderr
