"""Whatever rows say, a report shows it as text: in the page, in pictures, in Markdown and LaTeX."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from outcomes import write_outcomes

from analysis.report import main
from study.results import ResultStore
from study.weighting import equal, famo, lwf

HOSTILE = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' {{7*7}} "
    "$\\frac{$ a|b & \\input{x} #%_^~\n# x"
)
"""Text that would be markup, an attribute, a template, mathematics, a column or a command."""

NAME = "<b>$\\frac{$|"
"""Short enough for a figure."""

PLAIN = "plain"

FIGURES = {"num_frames": 5, "mota": 0.5, "fn": 5, "fp": 0, "idsw": 0}


class Page(HTMLParser):
    """What a page is made of: its elements with their attributes, apart from values that are text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.links = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add((tag, *sorted(name for name, _ in attributes)))
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.text.append(data)


def write(root, said):
    """The same rows with other text in every column of text that an analysis may show."""
    name_of = PLAIN if said == PLAIN else NAME
    plain = (equal.Config(), [0.50, 0.52, 0.51])
    trials = write_outcomes(root, [plain, (famo.Config(), [0.6, 0.62]), (lwf.Config(), ["failed", 0.5])], study=name_of)
    store = ResultStore(root, name_of)
    for number, name in enumerate(trials["trial_id"]):
        row = store.trial(name)
        changed = dict.fromkeys(("error", "hostname", "git_sha", "precision"), said)
        changed |= {"device_name": f"{said}{number % 2}"}
        if row["weighting"] == "famo":
            changed |= {"weighting": name_of}
        if row["weighting"] == "lwf":
            changed |= {"imported_from": said}
        store.write_trial({**row, **changed})
        lines = [
            {"epoch": epoch, "split": split, "sequence": f"{name_of}{i}", **FIGURES}
            for epoch in (2, 4)
            for split in ("val", "test")
            for i in range(2)
        ]
        store.write_rows("sequences", name, lines)
        store.write_manifest(row["data_hash"], {"train": [{"sequence": said, "first": 1, "last": 2}]}, said)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of plain text, one of hostile text, and the folders with their parts."""
    made = {}
    for said in (PLAIN, HOSTILE):
        place = tmp_path_factory.mktemp("report")
        write(place / "results", said)
        arguments = [str(place / "results"), "-o", str(place / "page.html"), "--files", str(place / "parts")]
        assert main([*arguments, "--no-frames"]) == 0
        made[said] = (Page((place / "page.html").read_text()), place / "parts")
    return made


def test_hostile_text_adds_no_element_and_no_attribute(pages):
    (plain, _), (hostile, _) = pages[PLAIN], pages[HOSTILE]
    assert hostile.elements <= plain.elements
    assert not [name for element in hostile.elements for name in element[1:] if name.startswith("on")]
    assert all(link.startswith(("#", "data:")) for link in hostile.links)
    assert "<script>alert(1)</script>" in "".join(hostile.text)  # as text
    assert "{{7*7}}" in "".join(hostile.text)


def test_hostile_text_stays_in_its_cell_of_a_markdown_table(pages):
    tables = {path.name: path.read_text() for path in pages[HOSTILE][1].glob("*.md")}
    assert any("alert(1)" in text for text in tables.values())
    for name, text in tables.items():
        lines = text.rstrip("\n").split("\n")
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1, name
        assert not re.search(r"(?<!\\)<\w", text), name


def test_hostile_text_is_no_command_of_latex(pages):
    tables = {path.name: path.read_text() for path in pages[HOSTILE][1].glob("*.tex")}
    assert any("alert(1)" in text for text in tables.values())
    ours = {"begin", "end", "caption", "label", "toprule", "midrule", "bottomrule", "pm", "alpha", "beta", "gamma"}
    ours |= {"textbackslash", "textasciitilde", "textasciicircum"}
    for name, text in tables.items():
        assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= ours, name
        cells = re.sub(r"\\[&%$#_{}\\]|\$(\\pm|<|>|\\alpha|\\beta|\\gamma)\$", "", text)
        assert not re.search(r"[$%#~^]", cells), name


def test_links_of_a_page_hold_the_same_tables(pages):
    page, parts = pages[HOSTILE]
    kept = {path.read_text() for path in parts.iterdir() if path.suffix in (".csv", ".md", ".tex")}
    linked = [unquote(link.partition(",")[2]) for link in page.links if link.startswith("data:text/")]
    assert linked
    for text in linked:
        assert text in kept or f"{text}\n" in kept
