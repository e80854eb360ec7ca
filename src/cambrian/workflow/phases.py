"""A YAML file of phases: commands with their arguments, run in order, each only where something changed since.

phases:
  - sample: {arguments: [rattle, start.xyz], set: [n=40], output: sampled.xyz}
  - label: {arguments: [tblite, sampled.xyz], output: data.xyz}
  - fit: {arguments: [snap, data.xyz], test-fraction: 0.1, output: fit}
  - validate: {arguments: [errors, fit/potential.safetensors, data.xyz], json: errors.json}

A phase is done when it ended well with the same words and the same content of every file among them, and what it wrote
is still there. Files are named from the folder of the YAML file. A YAML file among the words stands for the files that
it names too, and the folder of a potential for the potential alone: checks add their pages there.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian.configuration.yaml_text import parse_file
from cambrian.contracts.catalogue import nearest
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError

MODEL = "potential.safetensors"
WRITTEN = ("output", "json", "report")  # options whose value is a place to write to
Execute = Callable[[list[str], Path], int]  # words of a command and the folder to run it in, to its exit code


@dataclass(frozen=True)
class Phase:
    """A command with its words: positional arguments, then options."""

    name: str
    words: tuple[str, ...]
    outputs: tuple[str, ...]

    def key(self, folder: Path) -> str:
        """SHA-256 over the words and the content of the files they name, outputs left out."""
        digest = hashlib.sha256(json.dumps(self.words).encode())
        for word in self.words:
            if word not in self.outputs:
                for file in _files(word, folder):
                    digest.update(os.path.relpath(file, folder).encode() + _content(file))
        return digest.hexdigest()


def _files(word: str, folder: Path) -> list[Path]:
    """The files that a word names: itself and those it names if it is YAML, those of a folder, or of a pattern."""
    named = [Path(p) for p in sorted(glob.glob(str(folder / word), recursive=True))]
    return [file for p in named for file in (_inside(p) if p.is_dir() else [p, *_named_in(p)])]


def _inside(folder: Path) -> list[Path]:
    """The potential of a folder that holds one, otherwise every file."""
    model = folder / MODEL
    return [model] if model.is_file() else sorted(f for f in folder.rglob("*") if f.is_file())


def _named_in(file: Path) -> list[Path]:
    """The files that stand as values in a YAML file, as `cambrian learn` takes them; of other files none."""
    if file.suffix not in (".yaml", ".yml"):
        return []
    beside = [file.parent / text for text in _texts(parse_file(file))]
    return [path for path in beside if os.path.isfile(path)]  # a text may be too long for the name of a file


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, (dict, list)):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _texts(value)


def _content(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def phases_of(path: Path, commands: Mapping[str, list[str]]) -> list[Phase]:
    """The phases of a file; `commands` has the options of each command.

    Raises UserError for commands and options that do not exist, with the nearest right one.
    """
    content = parse_file(path)
    listed = content.get("phases") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed or len(content) != 1:
        raise UserError(f"{path}: a workflow holds `phases:` with a list of commands, and nothing beside it")
    return [_phase(entry, f"{path}: phase {k + 1}", commands) for k, entry in enumerate(listed)]


def _phase(entry: Any, where: str, commands: Mapping[str, list[str]]) -> Phase:
    if not isinstance(entry, dict) or len(entry) != 1 or not isinstance(next(iter(entry.values())), dict):
        raise UserError(f"{where}: write one command with its arguments, {{fit: {{arguments: [...], output: fit}}}}")
    ((command, options),) = entry.items()
    if command not in commands:
        raise UserError(f"{where}: there is no command '{command}'{nearest(command, commands)}")
    given = {str(name).replace("_", "-"): value for name, value in options.items()}
    arguments = given.pop("arguments", [])
    if not isinstance(arguments, list):
        raise UserError(f"{where}: 'arguments' takes a list of words, not {arguments!r}")
    words = [command, *map(str, arguments)]
    for name, value in given.items():
        if name not in commands[command]:
            known = ["arguments", *commands[command]]
            raise UserError(f"{where}: {command} has no '{name}'{nearest(name, known)}; it takes {', '.join(known)}")
        words += _option(name, value, f"{where}: {name}")
    outputs = tuple(str(given[name]) for name in WRITTEN if name in given)
    return Phase(command, tuple(words), outputs)


def _option(name: str, value: Any, where: str) -> list[str]:
    if isinstance(value, dict):
        raise UserError(f"{where} takes a value or a list of values; settings are written [a=1, b.c=2]")
    if value is True:
        return [f"--{name}"]
    if value is False or value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [word for v in values for word in (f"--{name}", str(v))]


def run_phases(
    path: Path, phases: list[Phase], execute: Execute, *, tell: Callable[[str], None] = lambda words: None
) -> int:
    """Run what is not done; the exit code of the first phase that failed, or 0.

    What was done stands in a file beside the workflow. A phase that was interrupted is run again, and takes up its own
    work where its command does.
    """
    folder, record = path.resolve().parent, path.with_suffix(".done.json")
    done = _recorded(record)
    for k, phase in enumerate(phases):
        place, key = f"{k + 1} {phase.name}", phase.key(folder)
        if done.get(place) == key and all((folder / o).exists() for o in phase.outputs):
            tell(f"phase {place}: done")
            continue
        tell(f"phase {place}: cambrian {' '.join(phase.words)}")
        code = execute(list(phase.words), folder)
        if code != 0:
            tell(f"phase {place} ended with code {code}; the same command goes on from here")
            return code
        done[place] = key
        write_text(record, json.dumps(done, indent=1) + "\n")
    return 0


def _recorded(record: Path) -> dict[str, str]:
    if not record.exists():
        return {}
    try:
        return dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{record}: cannot be read ({error}); remove it to run every phase again") from error
