"""Notebooks and their Python sources say the same; that they run is shown by running them (nbmake)."""

from pathlib import Path

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "analysis" / "notebooks"
SOURCES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "refresh")


def test_every_notebook_has_its_source():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == SOURCES
    assert {"quickstart", "cost_vs_accuracy", "loss_weights", "search_landscape"} <= set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_notebook_is_its_source_with_small_outputs(name):
    path = FOLDER / f"{name}.ipynb"
    stored, source = nbformat.read(path, as_version=4), jupytext.read(FOLDER / f"{name}.py")
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ], "run 'python analysis/notebooks/refresh.py'"
    outputs = [output for cell in stored.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert path.stat().st_size < 300 * 1024
    of_a_machine = [*(f"/{folder}/" for folder in ("tmp", "home", "root")), "site-packages"]
    assert not any(place in path.read_text() for place in of_a_machine)
