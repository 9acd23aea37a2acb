"""`python -m analysis.configurations STUDY`: what a study varies, one configuration a line, held against one of them.

For studies that vary anything but the weighting: objectives, trackers, settings of either. Configurations are paired
seed by seed with the baseline, the one that started first unless another is named.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import pandas as pd

from analysis.contrasts import figures_of
from analysis.formats import Table, count, fraction, metric_name, probability, signed
from analysis.named import load_named
from analysis.statistics import FAILED, holm, paired_p_value, t_interval
from study.command_line import CommandParser, exit_code
from study.errors import UserError, nearest
from study.results import differing, flatten, labels

METRICS = ("test_mota", "test_idf1")
"""Shown unless others are asked for; those of validation where nothing was tested."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(lambda: _show(_parser().parse_args(arguments)), "nothing was compared")


def named(trials: pd.DataFrame) -> pd.DataFrame:
    """Rows of a study's own trials with the words that tell their configuration apart (`configuration_name`).

    They are in the order in which configurations started.

    Raises:
        UserError: no trial, or trials on several versions of the data.
    """
    own = trials[trials["imported_from"].isna()].sort_values(["started_at", "trial_id"])
    if own.empty:
        raise UserError(f"{trials['study'].iloc[0] if len(trials) else 'study'}: no trial of its own to compare")
    if own["data_hash"].nunique() > 1:
        raise UserError(
            f"{own['study'].iloc[0]}: trials on {own['data_hash'].nunique()} versions of the data; compare those of one"
        )
    first = own.drop_duplicates("configuration_id")
    plain = [flatten(json.loads(text)) for text in first["configuration"]]
    told = [text or "(the only one)" for text in labels(plain, differing(plain))]
    words = dict(zip(first["configuration_id"], told, strict=True))
    return own.assign(configuration_name=own["configuration_id"].map(words))


def against(trials: pd.DataFrame, metrics: Sequence[str], baseline: str | None = None) -> Table:
    """Means of every configuration, and how far the first metric lies from the baseline's, seed by seed.

    Args:
        trials: rows of `trials` of one study, as `study.results.load` gives them.
        metrics: columns of them; differences are of the first.
        baseline: words that tell one configuration apart, or a part that no other has.

    Raises:
        UserError: as `named`, an unknown metric, or a baseline that is none or several.
    """
    rows = named(trials)
    for metric in metrics:
        if metric not in rows.columns:
            known = [name for name in rows.columns if name.startswith(("val_", "test_"))]
            raise UserError(f"--metrics: no column {metric!r}; {nearest(metric, known)}")
    names = list(dict.fromkeys(rows["configuration_name"]))
    of = {name: rows[rows["configuration_name"] == name] for name in names}
    held = names[0] if baseline is None else _one_of(names, baseline)
    first = metrics[0]
    theirs = figures_of(of[held], first)
    lines = []
    for name in names:
        mine = figures_of(of[name], first)
        seeds = mine.index.intersection(theirs.index)
        differences = (mine - theirs)[seeds].replace([FAILED, -FAILED], float("nan")).to_numpy()
        interval = t_interval([] if name == held else differences)
        line = {
            "configuration": name,
            "seeds": int((of[name]["status"] == "completed").sum()),
            "failed": int((of[name]["status"] != "completed").sum()),
            "difference": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "p": float("nan") if name == held else paired_p_value(differences),
            "device_seconds": of[name]["device_seconds"].sum(),
        }
        for metric in metrics:
            figures = figures_of(of[name], metric).replace(FAILED, float("nan"))
            line |= {metric: figures.mean(skipna=False), f"{metric}_sd": figures.std(skipna=False)}
        lines.append(line)
    data = pd.DataFrame(lines)
    asked = data["configuration"] != held
    data["p_holm"] = float("nan")
    data.loc[asked, "p_holm"] = holm(data.loc[asked, "p"])
    return Table(
        name="configurations",
        caption=(
            f"Mean and standard deviation over seeds; difference in {metric_name(first)} to '{held}', paired by seed, "
            "with its 95 % t-interval; p of a paired t-test, and by Holm's correction for all configurations."
        ),
        data=data,
        columns={
            **{"configuration": "configuration", "seeds": "seeds", "failed": "failed"},
            **{metric: metric_name(metric) for metric in metrics},
            **{"difference": "difference", "low": "low", "high": "high", "p": "p", "p_holm": "p (Holm)"},
            "device_seconds": "device-seconds",
        },
        shows={
            **dict.fromkeys(("difference", "low", "high"), signed),
            **dict.fromkeys(("seeds", "failed", "device_seconds"), count),
            **dict.fromkeys(metrics, fraction),
            **dict.fromkeys(("p", "p_holm"), probability),
        },
        spreads={metric: f"{metric}_sd" for metric in metrics},
    )


def _one_of(names: Sequence[str], wanted: str) -> str:
    found = [name for name in names if name == wanted] or [name for name in names if wanted in name]
    if len(found) != 1:
        what = "is in none" if not found else f"is in {len(found)}"
        raise UserError(f"--baseline: {wanted!r} {what} of the configurations {', '.join(map(repr, names))}")
    return found[0]


def _show(options: argparse.Namespace) -> None:
    trials = load_named(options.study, options.results)
    metrics = options.metrics
    if metrics is None:
        metrics = [name if trials[name].notna().any() else name.replace("test_", "val_") for name in METRICS]
    table = against(trials, metrics, options.baseline)
    print(table.markdown())
    print(f"\n{table.caption}")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m analysis.configurations", description="A study, configuration by configuration."
    )
    parser.add_argument("study", metavar="STUDY", help="folder of a study, or its name in --results")
    parser.add_argument("--baseline", metavar="WORDS", help="of the configuration that the others are held against")
    parser.add_argument(
        "--metrics", nargs="+", metavar="COLUMN", help="columns of trials; default: test_mota test_idf1"
    )
    parser.add_results()
    return parser


if __name__ == "__main__":
    sys.exit(main())
