"""`python -m analysis.report RESULTS [-o report.html]`: one page that says which weighting to use, and what it costs.

The page needs no network and can be made while a study runs; it then says that it is partial.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.evidence import Evidence, Unfinished, read_evidence
from analysis.formats import Table
from analysis.page import Block, Paragraph, Picture, Section, render
from analysis.sections import group_sections
from study.command_line import CommandParser, exit_code
from study.object_store import shown
from study.results import write_file

TITLE = "Which loss weighting, and what does it cost?"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(lambda: _report(_parser().parse_args(arguments)), "files that were written are whole")


def _report(options: argparse.Namespace) -> None:
    started = time.monotonic()
    evidence = read_evidence(options.results, options.study)
    sections = make_sections(evidence, options.baseline, draw_frames=options.frames)
    page = render(TITLE, sections, _footer(evidence))
    write_file(options.output, page.encode())
    if options.files:
        write_parts(options.files, sections)
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Paragraph) and block.kind in ("lead", "warning"):
                print(block.text)
    print(f"{shown(options.output)}: {len(page) / 1e6:.1f} MB, made in {time.monotonic() - started:.0f} s")


def make_sections(evidence: Evidence, baseline: str | None = None, *, draw_frames: bool = True) -> list[Section]:
    """All sections of a report.

    Args:
        evidence: rows of a results folder.
        baseline: method that others are held against; the plain sum if left out.
        draw_frames: whether trackers may be run to draw what they do.

    Raises:
        UserError: no method of that name.
    """
    sections = []
    if evidence.unfinished:
        blocks: list[Block] = [Paragraph(_partial(state), "warning") for state in evidence.unfinished]
        sections.append(Section("Partial results", blocks, level=2))
    groups = evidence.groups(baseline, draw_frames=draw_frames)
    if len(groups) > 1:
        text = (
            f"These rows were made under {len(groups)} different conditions (data, tracker, length of training). "
            "Trials are compared under the same conditions only; each has a verdict of its own."
        )
        sections.append(Section("Conditions", [Paragraph(text)], level=2))
    return sections + [section for group in groups for section in group_sections(group)]


def write_parts(folder: str | Path, sections: Sequence[Section]) -> None:
    """Write all pictures as PNG and all tables as CSV, Markdown and LaTeX into a folder.

    Of several conditions the first has plain names, the others have their number behind them: `head_to_head_2.csv`.

    Raises:
        UserError: they cannot be written.
    """
    written: Counter[tuple[type, str]] = Counter()
    for block in (block for section in sections for block in section.blocks):
        if not isinstance(block, (Picture, Table)):
            continue
        written[type(block), block.name] += 1
        number = written[type(block), block.name]
        name = block.name if number == 1 else f"{block.name}_{number}"
        if isinstance(block, Picture):
            write_file(f"{folder}/{name}.png", block.png)
        else:
            for ending, text in (("csv", block.csv()), ("md", block.markdown() + "\n"), ("tex", block.latex())):
                write_file(f"{folder}/{name}.{ending}", text.encode())


def _partial(state: Unfinished) -> str:
    of = f" of {state.total}" if state.total is not None else ""
    now = "runs now" if state.running else "is not finished, and does not run"
    trials = f"{state.done}{of} trials are done" + (f", {state.paused} paused" if state.paused else "")
    return f"Partial: the study {state.study} {now}; {trials}, and what follows may change."


def _footer(evidence: Evidence) -> str:
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"Made on {made} from {len(evidence.trials)} trials by python -m analysis.report"


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m analysis.report", description="One page: which weighting, and what it costs."
    )
    parser.add_argument(
        "results", metavar="RESULTS", help="results folder, or one study's folder in it; also s3://, gs://"
    )
    parser.add_argument("-o", "--output", default="report.html", metavar="FILE", help="default: report.html")
    parser.add_argument("--study", action="append", default=[], metavar="NAME", help="take this study only; repeatable")
    parser.add_argument(
        "--baseline", metavar="METHOD", help="hold methods against this one, not the plain sum of losses"
    )
    parser.add_argument("--no-frames", dest="frames", action="store_false", help="do not run trackers to draw frames")
    parser.add_argument("--files", metavar="DIR", help="write every figure (PNG) and table (CSV, Markdown, LaTeX) too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
