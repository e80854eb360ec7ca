"""The documentation stays true: its commands and its Python run, its error messages are those that users get.

`<!-- run -->` before a code block has it run, `<!-- refuses -->` has its command refused with the message shown,
in which `...` stands for anything.
"""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from docs_desk import damage, lay_out
from typer.testing import CliRunner

from cambrian.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"(?:<!-- (run|refuses) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
COMMANDS = typer.main.get_command(app).commands


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """What to do with a block, its language and its text."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    lay_out(folder)
    return folder


@pytest.fixture
def at_desk(desk, monkeypatch):
    monkeypatch.chdir(desk)


def call(line: str):
    words = shlex.split(line, comments=True)
    assert words[0] == "cambrian", line
    return CliRunner().invoke(app, words[1:])


@pytest.mark.parametrize("page", [p for p in PAGES if any(do == "run" for do, _, _ in blocks(p))], ids=name_of)
def test_blocks_run(page, at_desk):
    for do, language, text in blocks(page):
        if do != "run":
            continue
        if language == "python":
            exec(compile(text, name_of(page), "exec"), {"__name__": "__main__"})
            continue
        for line in text.strip().splitlines():
            Path("recipe.yaml").unlink(missing_ok=True)
            result = call(line)
            assert result.exit_code == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", [p for p in PAGES if any(do == "refuses" for do, _, _ in blocks(p))], ids=name_of)
def test_messages_are_those_of_the_page(page, at_desk):
    call("cambrian fit snap data.xyz --set two_j_max=2 -o fit")
    damage(Path())
    shown = [text for do, _, text in blocks(page) if do == "refuses"]
    assert shown
    for text in shown:
        command, message = text.strip().split("\n", 1)
        result = call(command.removeprefix("$ "))
        assert result.exit_code == 2, command
        parts = [re.escape(" ".join(part.split())) for part in message.split("...")]
        assert re.search(".*".join(parts), " ".join(result.stderr.split())), result.stderr
    assert not Path("out").exists()
    assert not Path("out.xyz").exists()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=name_of)
def test_every_command_shown_exists_with_its_options(page):
    for _, language, text in blocks(page):
        for line in text.splitlines() if language == "console" else ():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] != ["cambrian"] or len(words) == 1:
                continue
            assert words[1] in COMMANDS, line
            known = {option for p in COMMANDS[words[1]].params for option in p.opts}
            assert {w for w in words if re.match(r"--?[a-z]", w)} <= known, line


def test_recipe_files_shown_can_be_read(tmp_path):
    from cambrian.configuration import Recipe

    texts = [text for page in PAGES for _, language, text in blocks(page) if language == "yaml"]
    assert len(texts) > 2
    for text in texts:
        # own classes; workflows; those that go on from a potential of the reader
        if any(words in text for words in ("./my_model.py", "method:", "phases:", "start:")):
            continue
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        potential, solver = Recipe.of(str(path)).build()
        assert potential is not None
        assert solver is not None


def test_every_page_is_in_the_contents_and_every_command_has_one():
    def pages(entry):
        for value in entry.values() if isinstance(entry, dict) else ():
            yield from [value] if isinstance(value, str) else [p for e in value for p in pages(e)]

    listed = {p for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"] for p in pages(entry)}
    assert listed == {str(p.relative_to(ROOT / "docs")) for p in PAGES}
    assert {f"commands/{name}.md" for name in COMMANDS} <= listed


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{name_of(page)}: {target}"
