"""The published figures of learned weighting factors, beside ours. Theirs stay theirs: no column mixes the two.

Source: Vo, Tran, Nguyen, Priadana, Jo, "Balancing Multiple Object Tracking Objectives based on Learned Weighting
Factors", tables I, IV, V and VI. ResNet-50, MOT16 validation, 100 epochs on one V100, one run each; percent there,
fractions here. Their MOTP is the mean overlap, as ours.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.formats import MISSING, Table, count, fraction, words
from analysis.leaderboard import varying
from analysis.methods import Method
from analysis.seeds import mean_over_seeds
from study.results import label

_THEIRS, _OURS_TITLE = "theirs", "ours"

TABLE_I = (
    # weights of cls, reg, reid; hours; MOTA, IDF1, MOTP
    ((0.5, 1.0, 1.5), 20, 0.748, 0.658, 0.852),
    ((0.5, 2.0, 1.0), 20, 0.743, 0.652, 0.855),
    ((0.7, 0.4, 0.9), 20, 0.749, 0.652, 0.849),
    ((1.0, 1.0, 1.0), 20, 0.731, 0.633, 0.853),
    ((1.0, 0.5, 1.5), 20, 0.749, 0.653, 0.849),
    ((2.0, 0.9, 1.7), 20, 0.752, 0.652, 0.849),
)
"""Hard weighting factors."""

TABLE_IV = (
    # hidden channels C; MOTA, IDF1, MOTP, MT, FP; parameters
    (4, 0.749, 0.660, 0.853, 279, 1926, 40),
    (8, 0.752, 0.662, 0.852, 272, 1881, 110),
    (16, 0.753, 0.665, 0.857, 279, 1653, 350),
    (32, 0.762, 0.670, 0.859, 286, 1709, 1220),
    (64, 0.759, 0.671, 0.859, 284, 1763, 4480),
    (128, 0.755, 0.670, 0.858, 285, 1965, 17150),
)
"""Channels of the learned weighting, with one hidden layer."""

TABLE_V = (
    # hidden layers N; MOTA, IDF1, MOTP, MT, FP; parameters
    (1, 0.762, 0.670, 0.859, 286, 1709, 1220),
    (2, 0.760, 0.666, 0.858, 280, 1863, 2240),
    (3, 0.748, 0.659, 0.852, 259, 1691, 3260),
)
"""Hidden layers of the learned weighting, with 32 channels."""

TABLE_VI = (
    # MOTA; GFLOPs; parameters of the network; frames per second
    ("baseline", 0.749, 64.73, 38_620_000, 15.64),
    ("LWF", 0.766, 51.85, 36_250_000, 16.79),
)
"""Time of tracking, on one V100."""

_OURS = ("val_mota", "val_idf1", "val_motp")
_NAMES = {"mota": "MOTA", "idf1": "IDF1", "motp": "MOTP"}


def hard_weights(trials: pd.DataFrame, ours: str) -> Table | None:
    """Table I beside our runs with the same hard loss weights.

    Args:
        trials: rows of `trials` under the same conditions.
        ours: what our figures are of, in words.

    Returns:
        None without any run at one of its points; other points stay empty.
    """
    names = [f"weighting.loss_weights.{task}" for task in ("cls", "reg", "reid")]
    if not set(names) <= set(trials.columns):
        return None
    rows = []
    for weights, hours, *figures in TABLE_I:
        at = (trials["weighting"] == "hwf") & np.isclose(trials[names].astype(float), weights).all(axis=1)
        theirs = dict(zip(("mota", "idf1", "motp"), figures, strict=True))
        rows.append({"value": "{:g}, {:g}, {:g}".format(*weights), "hours": hours, **theirs, **_mean(trials[at])})
    return _beside("lwf_table_i", "Hard loss weights, table I", rows, "α, β, γ", {"hours": "training, h"}, ours, 1)


def channels(trials: pd.DataFrame, ours: str) -> Table | None:
    """Table IV, the effect of the number of channels C, beside our `lwf` runs that differ in nothing else.

    Args:
        trials: as for `hard_weights`.
        ours: as for `hard_weights`.

    Returns:
        None if fewer than two of its points were run.
    """
    return _ablation(
        trials, ours, "lwf_table_iv", "Channels C of the learned weighting, table IV", TABLE_IV, "channels"
    )


def layers(trials: pd.DataFrame, ours: str) -> Table | None:
    """Table V, the effect of the number of hidden layers N, likewise."""
    return _ablation(
        trials, ours, "lwf_table_v", "Hidden layers N of the learned weighting, table V", TABLE_V, "layers"
    )


def tracking_time(methods: Sequence[Method], sequences: pd.DataFrame, ours: str) -> Table | None:
    """Table VI, the time of tracking, beside what evaluation took here.

    The loss weights are gone once the network is trained: a weighting changes neither its size nor its speed. Our
    frames per second count tracking and scoring, and so are a lower bound; floating-point operations are not recorded.

    Args:
        methods: under the same conditions; of each kind the one with the best validation MOTA is taken.
        sequences: rows of `sequences` of their chosen configurations.
        ours: as for `hard_weights`.

    Returns:
        None unless `lwf` completed.
    """
    frames = sequences.groupby(["study", "trial_id"])["num_frames"].sum()
    ours_by_name: dict[str, dict[str, float]] = {}
    for kinds, name in ((("equal", "hwf"), "baseline"), (("lwf", "lwf_paper"), "LWF")):
        complete = [method for method in methods if method.complete and method.kind in kinds]
        if not complete:
            continue
        best = max(complete, key=lambda method: method.mean("val_mota")).judged
        seconds = (best["eval_seconds"] / (best["workers"] * best["devices_per_worker"])).sum()
        counted = frames.reindex(pd.MultiIndex.from_frame(best[["study", "trial_id"]])).sum(skipna=False)
        ours_by_name[name] = {
            "val_mota": mean_over_seeds(best, "val_mota"),
            "our_parameters": float(best["num_parameters"].iloc[0]),
            "our_fps": float(counted / seconds) if seconds > 0 else math.nan,
        }
    if "LWF" not in ours_by_name:
        return None
    rows = [
        {"method": name, "mota": mota, "gflops": gflops, "num_parameters": size, "fps": fps}
        | ours_by_name.get(name, {})
        for name, mota, gflops, size, fps in TABLE_VI
    ]
    theirs = {"mota": "MOTA", "gflops": "GFLOPs", "num_parameters": "parameters", "fps": "frames/s"}
    mine = {"val_mota": "MOTA", "our_parameters": "parameters", "our_fps": "frames/s"}
    return Table(
        name="lwf_table_vi",
        caption=f"Time of tracking, table VI of the LWF paper beside ours. Theirs: one V100. Ours: {ours}; frames of "
        "all evaluations by the time of tracking and scoring, a lower bound; floating-point operations not counted.",
        data=pd.DataFrame(rows),
        columns={
            "method": "method",
            **{name: f"{title} ({_THEIRS})" for name, title in theirs.items()},
            **{name: f"{title} ({_OURS_TITLE})" for name, title in mine.items()},
        },
        shows={
            **dict.fromkeys(("num_parameters", "our_parameters"), count),
            **dict.fromkeys(("gflops", "fps", "our_fps"), _two_digits),
        },
    )


def _ablation(
    trials: pd.DataFrame, ours: str, name: str, what: str, table: Sequence[tuple], setting: str
) -> Table | None:
    column = f"weighting.{setting}"
    if column not in trials.columns:
        return None
    lwf = trials[trials["weighting"].isin(["lwf", "lwf_paper"])]
    others = [key for key in varying(lwf) if key.startswith("weighting.") and key != column]
    # Runs that differ in nothing but this setting; of several such series the one with the most points.
    series = [rows for _, rows in lwf.groupby(others, dropna=False, sort=False)] if others else [lwf]
    values = [row[0] for row in table]
    best = max(series, key=lambda rows: rows.loc[rows[column].isin(values), column].nunique(), default=lwf)
    rows = []
    for value, mota, idf1, motp, _, _, parameters in table:
        theirs = {"mota": mota, "idf1": idf1, "motp": motp, "parameters": parameters}
        rows.append({"value": value, **theirs, **_mean(best[best[column] == value])})
    held = label(best.iloc[0].to_dict(), others) if len(best) else ""
    mine = f"{ours}, {held}" if held else ours
    return _beside(name, what, rows, setting, {"parameters": "parameters"}, mine, 2)


def _mean(rows: pd.DataFrame) -> dict[str, float]:
    """Our means over the seeds of one configuration, that with most of them; NaN where one did not complete."""
    rows = rows.drop_duplicates("trial_id")
    rows = max((seeds for _, seeds in rows.groupby("configuration_id", sort=False)), key=len, default=rows)
    means = {name: mean_over_seeds(rows, name) for name in _OURS}
    spreads = {f"{name}_sd": rows[name].std() if not math.isnan(mean) else mean for name, mean in means.items()}
    return {"seeds": len(rows), **means, **spreads}


def _beside(
    name: str, what: str, rows: list[dict[str, Any]], first: str, more: dict[str, str], ours: str, least: int
) -> Table | None:
    """A table of both; None with fewer than so many points of ours."""
    data = pd.DataFrame(rows)
    if (data["seeds"] > 0).sum() < least:
        return None
    columns = {"value": first} | {key: f"{title} ({_THEIRS})" for key, title in (more | _NAMES).items()}
    columns |= {f"val_{key}": f"{title} ({_OURS_TITLE})" for key, title in _NAMES.items()} | {"seeds": "seeds (ours)"}
    caption = (
        f"{what} of the LWF paper beside ours. Theirs: ResNet-50 on MOT16 validation, one run each. Ours: {ours}, "
        "validation, mean ± sample standard deviation over seeds."
    )
    shows = dict.fromkeys((*_NAMES, *_OURS), fraction) | dict.fromkeys(("seeds", "parameters", "hours"), count)
    return Table(name, caption, data, columns, shows | {"value": words}, {key: f"{key}_sd" for key in _OURS})


def _two_digits(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.2f}"
