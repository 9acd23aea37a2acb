"""`python analysis/notebooks/refresh.py`: run every notebook and write it with its outputs, from its Python source.

The sources (`NAME.py`) are what is edited; `jupytext` and Jupyter open either.
"""

import argparse
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def sources() -> list[Path]:
    """The notebooks' Python sources."""
    return sorted(path for path in FOLDER.glob("*.py") if path != Path(__file__))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="run these only; all if left out")
    options = parser.parse_args()
    for source in sources():
        if options.names and source.stem not in options.names:
            continue
        notebook = jupytext.read(source)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"{source.stem}-{number}".replace("_", "-")
            cell.metadata.pop("execution", None)  # when it ran
        target = source.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        print(f"{target}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
