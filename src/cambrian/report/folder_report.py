"""The report of a folder, written anew whenever something is added: after a fit, after checks, after a comparison.

`report.json` keeps the finished chapters; what checks found comes from beside the potential. A reader meets the verdict
first, then accuracy, physics, cost and data.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cambrian.contracts.archive import load_model, write_in_place
from cambrian.contracts.check import Result
from cambrian.contracts.force_model import Model
from cambrian.errors import UserError
from cambrian.report.html import Html, Section, bullets, escaped, paragraph, side_by_side, table, write_page
from cambrian.report.quantities import figure_rows
from cambrian.report.tables import figures_table
from cambrian.report.validation import facts_of, recalled

CHAPTERS = ("verdict", "accuracy", "physics", "learning", "comparison", "cost", "data", "making")
ACRONYMS = ("nve", "rdf", "vdos", "dos")
ORDER = {"failed": 0, "passed": 1, "no reference": 2}


def store(folder: Path, title: str, chapters: dict[str, Sequence[Section]], *, subtitle: str = "") -> None:
    """Begin the report of a folder; raises UserError where it cannot be written."""
    kept = {chapter: [_plain(s) for s in sections] for chapter, sections in chapters.items()}
    _write(folder, {"title": title, "subtitle": subtitle, "chapters": kept})


def add(folder: Path, chapter: str, sections: Iterable[Section]) -> None:
    """Put sections into a chapter, in place of what stood there; nothing happens where there is no report."""
    content = _read(folder)
    if content is not None:
        content["chapters"][chapter] = [_plain(s) for s in sections]
        _write(folder, content)


def adopt(folder: Path, other: Path, title: str, *, subtitle: str = "") -> None:
    """Begin the report of a folder with the chapters that another folder has; empty where that has none."""
    content = _read(other) or {"chapters": {}}
    _write(folder, {"title": title, "subtitle": subtitle, "chapters": content["chapters"]})


def refresh(folder: Path, potential: Model | None = None) -> bool:
    """Write report.html from what is known now; false where the folder has no report."""
    content = _read(folder)
    file = folder / "potential.safetensors"
    if content is None or not file.is_file():
        return False
    checks = recalled(file, potential or load_model(file))
    chapters = {name: [_section(s) for s in content["chapters"].get(name, [])] for name in CHAPTERS}
    chapters["physics"] = [checked_section(name, found) for name, found in in_order(checks)]
    if chapters["verdict"]:
        first = chapters["verdict"][0]
        said = physics_verdict(checks)
        chapters["verdict"][0] = Section(first.title, [said, *first.blocks] if checks else [*first.blocks, said])
    sections = [section for chapter in CHAPTERS for section in chapters[chapter]]
    write_page(folder / "report.html", content["title"], sections, subtitle=content["subtitle"])
    return True


def in_order(checks: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Failures first."""
    return sorted(checks.items(), key=lambda item: ORDER.get(item[1]["verdict"], 3))


def physics_verdict(checks: dict[str, dict[str, Any]]) -> Html:
    """The physics in a sentence, and what failed."""
    if not checks:
        words = "The physics has not been checked yet: run cambrian validate all with this potential and its data."
        return paragraph(words)
    count = {verdict: sum(found["verdict"] == verdict for found in checks.values()) for verdict in ORDER}
    mark = "failed" if count["failed"] else "passed"
    said = f"{count['passed']} of {len(checks)} checks of the physics passed"
    said += f", {count['failed']} failed" if count["failed"] else ""
    said += f", {count['no reference']} had nothing to compare with" if count["no reference"] else ""
    failures = [
        f"{_heading(name)}: {found['sentence']}" for name, found in checks.items() if found["verdict"] == "failed"
    ]
    lead = paragraph(Html(f'<strong class="{mark}">{escaped(said)}.</strong>'), "lead")
    return Html(lead + bullets(failures, "careful")) if failures else lead


def check_section(result: Result, *, title: str | None = None) -> Section:
    """A check as a section: its verdict and sentence, its figures and its plots."""
    return checked_section(title or result.name, facts_of(result))


def checked_section(name: str, found: dict[str, Any]) -> Section:
    """The same from what was kept of it."""
    sentence = found["sentence"][:1].upper() + found["sentence"][1:]
    blocks = [paragraph(sentence)]
    if found["verdict"] != "no reference":
        verdict = escaped(found["verdict"])
        mark = Html(f'<strong class="{verdict}">{verdict.capitalize()}.</strong> ')
        blocks = [paragraph(Html(mark + escaped(sentence)))]
    figures = found["figures"]
    if "groups" in figures:
        blocks.append(figures_table({"all": figures, **figures["groups"]}))
    else:
        header, rows = figure_rows(figures, found.get("units", {}), found["reference"], found["tolerance"])
        blocks += [table(header, rows)] if rows else []
    drawn = [
        Html(f"<figure>{drawing}<figcaption>{escaped(_heading(name))}</figcaption></figure>")
        for name, drawing in found["drawings"].items()
    ]
    return Section(_heading(name), [*blocks, side_by_side(drawn)])


def _heading(name: str) -> str:
    words = name.rsplit(".", 1)[0].replace("_", " ").split()
    spoken = " ".join(word.upper() if word in ACRONYMS else word for word in words)
    return spoken[:1].upper() + spoken[1:]


def _plain(section: Section) -> dict[str, str]:
    return {"title": section.title, "html": "".join(escaped(block) for block in section.blocks)}


def _section(kept: dict[str, str]) -> Section:
    return Section(kept["title"], [Html(kept["html"])])


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return content if {"title", "subtitle", "chapters"} <= set(content) else None
    except (OSError, ValueError, TypeError):
        return None


def _write(folder: Path, content: dict[str, Any]) -> None:
    if unknown := set(content["chapters"]) - set(CHAPTERS):
        raise UserError(f"a report has no chapter '{unknown.pop()}'; it has {', '.join(CHAPTERS)}")
    write_in_place(folder / "report.json", json.dumps(content, ensure_ascii=False).encode())
