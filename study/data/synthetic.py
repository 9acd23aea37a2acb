"""Draws synthetic sequences in MOTChallenge layout (MOT17's nine columns) from a seed.

    python -m study.data.synthetic PRESET OUT_DIR [--seed N] [--overwrite]

The presets and the drawing itself are in `study.data.presets`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from study.command_line import CommandParser
from study.data.presets import PRESETS, Preset, draw, ensure_drawn, find_preset
from study.errors import UserError

__all__ = ["PRESETS", "Preset", "draw", "ensure_drawn", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = CommandParser(prog="python -m study.data.synthetic", description="Draw synthetic sequences.")
    parser.add_argument("preset", metavar="PRESET", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="a new or empty folder")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other scenes and people (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder of sequences")
    try:
        options = parser.parse_args(arguments)
        if options.seed < 0:
            raise UserError(f"--seed: expected 0 or more, found {options.seed}")
        preset = replace(find_preset(options.preset), seed=options.seed)
        root = draw(preset, options.out_dir, overwrite=options.overwrite)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    names = preset.sequences
    print(f"{root}: {len(names)} sequences, {names[0]} to {names[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
