"""The report: complete in itself, in words first, with every text from the data escaped."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from cambrian import Dataset, Structure
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import Result, Solution, save
from cambrian.contracts.predict import Predicted
from cambrian.fit.fit import Fit, Part
from cambrian.fit.metrics import Errors
from cambrian.report.fit_folder import history_text
from cambrian.report.fit_report import fit_chapters
from cambrian.report.folder_report import CHAPTERS, add, check_section, refresh, store
from cambrian.report.html import Html, Section, page, paragraph, table, write_page
from cambrian.report.quantities import figure_rows, rounded
from cambrian.report.validation import remember
from cambrian.report.words import careful, verdict
from cambrian.units import GPA
from cambrian.validate.errors import LabelErrors

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background"}


class Page(HTMLParser):
    """Checks nesting, gathers what could load something, ids, and text."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.loads, self.ids, self.words, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in LOADING]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in LOADING]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def structures(n: int, *, group="", forces=True, seed=0, source="a.xyz", n_atoms=8) -> list[Structure]:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        atoms = Atoms(f"Ar{n_atoms}", positions=rng.uniform(0, 9, (n_atoms, 3)), cell=[9, 9, 9], pbc=True)
        labels = {"forces": rng.normal(0, 1, (n_atoms, 3)), "stress": np.diag(rng.normal(0, 0.01, 3))} if forces else {}
        found.append(Structure(atoms, energy=rng.normal(), group=group, source=source, frame=k, **labels))
    return found


def assessed(data: Dataset, error: float, *, seed=1, worst=0.0) -> Part:
    """A part whose forces are off by normal errors of a known size."""
    rng = np.random.default_rng(seed)
    predicted = []
    for s in data:
        forces = None if s.forces is None else s.forces + rng.normal(0, error, s.forces.shape)
        stress = None if s.stress is None else s.stress + 1e-4
        predicted.append(Predicted(s.energy + error, forces, stress, None, None))
    if worst:
        predicted[1].forces[2, 1] += worst
    return Part(data, predicted, Errors.of(data, predicted))


def made(train: Dataset, *, test: Dataset | None = None, error=0.05, test_error=None, history=(), worst=0.0) -> Fit:
    parts = {"train": assessed(train, error)}
    if test is not None:
        parts["test"] = assessed(test, error if test_error is None else test_error, worst=worst)
    potential = IsolatedAtoms({"Ar": 0.0})
    return Fit(potential, Solution(history=list(history), notes=["A note <of> the solver."]), parts, 1.5, 0, train.hash)


def fit_sections(*arguments, **settings) -> list[Section]:
    """All sections of a fit, in the order of a report."""
    chapters = fit_chapters(*arguments, **settings)
    return [section for chapter in CHAPTERS for section in chapters.get(chapter, [])]


HISTORY = [
    {"epoch": k, "train_loss": 1 / k, "validation_loss": 2 / k, "validation_force_rmse": 0.3 / k, "seconds": k}
    for k in range(1, 9)
]


@pytest.fixture(scope="module")
def report() -> str:
    nasty = '<script>alert("x")</script>'
    train = Dataset([*structures(30, group="bulk"), *structures(5, group=nasty)])
    test = Dataset([*structures(25, group="bulk", seed=3), *structures(400, group=nasty, seed=4, n_atoms=20)])
    sections = fit_sections(
        made(train, test=test, history=HISTORY), name="snap", recipe="recipe: snap # <b>\n", warnings=["a < b & c"]
    )
    return page("A fit", sections, subtitle="<i>folder</i>")


def test_loads_nothing(report):
    found = Page(report)
    assert found.loads
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in found.loads)
    assert not {"link", "iframe", "img", "object", "embed"} & set(found.tags)
    assert not re.search(r"@import|url\((?!#)", report)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon|https?:", report)
    assert "default-src 'none'" in report


def test_nests_and_has_unique_ids(report):
    found = Page(report)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))


def test_text_of_the_data_is_escaped(report):
    assert report.count("<script>") == 1, "page.js alone"
    assert "alert(" not in re.search(r"<script>(.*?)</script>", report, re.DOTALL)[1]
    assert "&lt;script&gt;" in report
    assert r"\u003cscript>" in report, "and in the data of the plots"
    assert "a &lt; b &amp; c" in report
    assert "&lt;i&gt;folder&lt;/i&gt;" in report


def test_sections_in_order(report):
    titles = re.findall(r"<h2>(.*?)</h2>", report)
    assert titles == [
        "Verdict",
        "Errors",
        "Parity",
        "Worst structures",
        "Learning curve",
        "Cost",
        "Data",
        "How it was made",
    ]
    words = " ".join(Page(report).words)
    for part in ("force RMSE, meV/Å", "energy MAE, meV/atom", "stress RMSE, GPa", "recipe: snap"):
        assert part in words


def test_drawings_take_the_color_of_the_page(report):
    assert "currentColor" in report
    assert "#010203" not in report
    assert report.count("<svg role=") == 5


def test_verdict_compares_with_the_typical_force():
    train, test = Dataset(structures(30)), Dataset(structures(60, seed=2))
    for error, word in ((0.01, "excellent"), (0.05, "good"), (0.12, "fair"), (0.3, "rough"), (0.8, "poor")):
        said = verdict(made(train, test=test, error=error), "snap")
        assert f"That is {word}" in said[-1]
        assert "60 test structures, which the fit has not seen" in said[1]


def concerns(*arguments, **settings) -> str:
    return " ".join(careful(made(*arguments, **settings), []))


def test_careful_about_the_test_set():
    train = Dataset(structures(30))
    assert "There is no test set" in concerns(train)
    assert "only 7 structures" in concerns(train, test=Dataset(structures(7)))
    said = concerns(train, test=Dataset(structures(30)), test_error=0.2)
    assert "force RMSE on the test set is" in said
    assert "learned its training structures" in said
    assert concerns(train, test=Dataset(structures(30)), test_error=0.05) == ""


def test_careful_about_groups():
    train, strange = Dataset(structures(30, group="bulk")), Dataset(structures(30, group="surface"))
    assert "Nothing of the group surface" in concerns(train, test=strange)


def test_careful_about_labels():
    assert "no forces to fit to" in concerns(Dataset(structures(30, forces=False)))
    assert "no stress to fit to" in concerns(Dataset(structures(30, forces=False)))


def test_careful_about_one_bad_atom():
    test = Dataset(structures(30, source="test.xyz"))
    assert "test.xyz, frame 1, atom 2" in concerns(Dataset(structures(30)), test=test, worst=9.0)


def test_no_labels_but_energies():
    fitted = made(Dataset(structures(30, forces=False)), test=Dataset(structures(5, forces=False, seed=9)))
    text = page("x", fit_sections(fitted, name="snap", recipe=""))
    assert "the spread of the energies" in text
    assert "force RMSE" not in text.replace("RMSE of force components", "")


def test_check_as_a_section():
    def draw(axes):
        axes.plot([0, 1], [0, 1])

    result = Result("nve", {"drift": 1.23456e-5, "list": [1]}, "passed", "Energy <kept>.", plots={"energy.svg": draw})
    text = page("x", [check_section(result)])
    assert '<strong class="passed">Passed.</strong> Energy &lt;kept&gt;.' in text
    assert "1.23e-05" in text
    assert "<svg role=" in text


def test_a_folder_gains_what_checks_found(tmp_path):
    potential, file = IsolatedAtoms({"Ar": 0.0}), tmp_path / "potential.safetensors"
    fitted = made(Dataset(structures(30)))
    store(tmp_path, "A fit", fit_chapters(fitted, name="snap", recipe=""))
    assert not refresh(tmp_path), "no potential yet"
    save(potential, file)
    assert refresh(tmp_path)
    assert "has not been checked yet" in (tmp_path / "report.html").read_text()
    remember(file, potential, LabelErrors(), "survival", Result("survival", {"t": 1.0}, "failed", "atoms <flew> apart"))
    remember(file, potential, LabelErrors(), "rdf", Result("rdf", {"score": 0.01}, "passed", "g(r) agrees"))
    add(tmp_path, "comparison", [Section("Families", [paragraph("snap against hdnnp")])])
    assert refresh(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "1 of 2 checks of the physics passed, 1 failed" in text
    assert "Survival: atoms &lt;flew&gt; apart" in text
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles.index("Survival") < titles.index("RDF") < titles.index("Families") < titles.index("Cost")
    save(IsolatedAtoms({"Ar": 1.0}), file)
    assert refresh(tmp_path)
    assert "has not been checked yet" in (tmp_path / "report.html").read_text(), "another potential"


def test_figures_of_a_check_are_printed_in_their_units_beside_their_reference():
    figures = {"C11": GPA * 166.0, "C14": 1e-12, "lowest_THz": 4.5, "n_atoms": 8, "lives_ps": {"300 K": 1.0}, "b": [1]}
    stress = (1 / GPA, "GPa")
    units = {"C11": stress, "C14": stress}
    header, rows = figure_rows(figures, units, {"C11": GPA * 160.0}, {"C11": GPA * 10.0})
    assert header == ["figure", "value", "reference", "tolerated", "unit"]
    assert rows == [
        ["C11", "166", "160", "10.0", "GPa"],
        ["C14", "0.00", "", "", "GPa"],
        ["lowest", "4.50", "", "", "THz"],
        ["n atoms", "8", "", "", ""],
        ["lives, 300 K", "1.00", "", "", "ps"],
    ]
    assert figure_rows({"share": 0.5}, {}, {"share": 0.0}, {}) == (["figure", "value"], [["share", "0.500"]])


def test_table_and_paragraph_escape():
    assert table(["<a>"], [["<b>", 1]]).count("&lt;") == 2
    assert paragraph("<c>") == "<p>&lt;c&gt;</p>"


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0.00"), (1.23456, "1.23"), (123.4, "123"), (45678.9, "45679"), (1e-7, "1.00e-07")]
)
def test_rounded(value, words):
    assert rounded(value) == words


def test_history_with_different_columns():
    assert history_text([{"a": 1}, {"a": 2, "b": 3.5}]) == "a,b\n1,\n2,3.5\n"
    assert history_text([]) == "\n"


def browsed(text: str, folder: Path) -> tuple[str, int]:
    """The page as a browser built it, and how many requests it made; those of the browser itself have no origin."""
    file, log = folder / "page.html", folder / "net.json"
    file.write_text(text, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder / 'profile'}"]
    command = [CHROMIUM, *flags, f"--log-net-log={log}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "violates" not in done.stderr
    return done.stdout, len(re.findall(r'"initiator":"(?!not an origin)', log.read_text()))


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
def test_opens_in_a_browser(report, tmp_path):
    built, n_requests = browsed(report, tmp_path)
    assert "How it was made</h2>" in built
    assert n_requests == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
def test_figures_come_alive_in_a_browser(report, tmp_path):
    built, _ = browsed(report, tmp_path)
    assert len(re.findall(r'<canvas[^>]*style="height: \d+px;"', built)) == 4, "three parity plots and the structures"
    buttons = re.findall(r'<button[^>]*aria-pressed="true"', built)
    assert len(buttons) == 3 * 2 + 1, "a button for each group, the first structure chosen"
    assert re.search(r'<p class="tip">a\.xyz, frame \d+: force off by', built)


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
def test_no_other_script_runs(tmp_path):
    planted = "<script>document.title = 'taken'</script><b onclick=\"0\">x</b>"
    built = page("calm", [Section("x", [Html(planted)])])
    file = tmp_path / "page.html"
    file.write_text(built, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120)
    assert "<title>calm</title>" in done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
def test_the_browser_would_tell_a_request(tmp_path):
    assert browsed('<img src="http://127.0.0.1:9/x.png">', tmp_path)[1] > 0


def test_page_is_written_whole_or_not_at_all(tmp_path):
    from cambrian import UserError

    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        write_page(tmp_path / "file" / "report.html", "x", [Section("y")])
