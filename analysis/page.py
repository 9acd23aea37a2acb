"""A page that needs no network: sections of text, pictures and sortable tables in one HTML file."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import DPI, as_png, figure_of
from analysis.formats import Table

_TEMPLATES = Path(__file__).parent / "templates"

_PAGE_DPI = 92
"""Pixels of a page for an inch of a figure."""


@dataclass(frozen=True)
class Paragraph:
    """A line of plain text.

    Attributes:
        text: what it says.
        kind: `text`, `lead` for what matters most, `note` for what is beside it, or `warning`.
    """

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Listing:
    """Lines of a list; those of commands are set as code.

    Attributes:
        lines: in order.
        code: whether they are commands.
    """

    lines: tuple[str, ...]
    code: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows in words, which stands below it.

    Attributes:
        name: file name without ending.
        caption: what to read off it.
        png: the file.
    """

    name: str
    caption: str
    png: bytes

    @property
    def width(self) -> int:
        """Width in pixels of a page, so that all pictures have letters of one size."""
        return round(int.from_bytes(self.png[16:20], "big") * _PAGE_DPI / DPI)

    @property
    def address(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


Block = Paragraph | Listing | Picture | Table


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        blocks: what it holds, in order.
        level: 2 for what a new set of conditions begins with, 3 within it.
    """

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    level: int = 3


def picture(name: str, drawn: Figure | Axes, caption: str) -> Picture:
    """Make a picture of a figure, or of the figure that axes belong to."""
    return Picture(name, caption, as_png(figure_of(drawn)))


def render(title: str, sections: Sequence[Section], footer: str) -> str:
    """The page as HTML, with everything it needs in it.

    Args:
        title: of the page.
        sections: in order.
        footer: what made it, and when.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests |= {
        "paragraph": lambda block: isinstance(block, Paragraph),
        "listing": lambda block: isinstance(block, Listing),
        "picture": lambda block: isinstance(block, Picture),
    }
    environment.filters["download"] = _download
    assets = {name: Markup((_TEMPLATES / name).read_text()) for name in ("page.css", "page.js")}
    numbered = [(f"part-{i}", section) for i, section in enumerate(sections)]
    return environment.get_template("page.html").render(
        title=title, sections=numbered, footer=footer, css=assets["page.css"], js=assets["page.js"]
    )


def _download(text: str, kind: str) -> str:
    """A text as a data URI that a link can save."""
    return f"data:{kind};charset=utf-8,{quote(text)}"
