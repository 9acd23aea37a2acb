"""The parts of `benchmarks/scaling.py`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "chaos"))  # whose driver runs a command and knows its processes
