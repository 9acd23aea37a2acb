"""The sections of a report on trials under the same conditions: what is said, drawn and listed, in which order."""

import json
import math
from collections.abc import Callable, Sequence

import pandas as pd

from analysis import paper, tables
from analysis.evidence import Group
from analysis.expected_best import best_over_cost
from analysis.figures.ablation import ablation
from analysis.figures.budget import best_after_budget
from analysis.figures.cost import cost_vs_accuracy
from analysis.figures.differences import differences
from analysis.figures.parallel import parallel_coordinates
from analysis.figures.predicted import predicted_vs_actual
from analysis.figures.sequences import per_sequence
from analysis.figures.simplex import loss_weight_simplex
from analysis.figures.tradeoff import cost_vs_metrics
from analysis.figures.trajectories import loss_weights, task_losses
from analysis.importance import importance
from analysis.leaderboard import varying
from analysis.page import Block, Listing, Paragraph, Section, picture
from analysis.stability import agreement, correlation, rank_stability
from analysis.strips import make_strip
from analysis.verdict import judge
from study.results import flatten

_LINES = 2000
"""Points of a line that are drawn; more could not be told apart."""


def group_sections(group: Group) -> list[Section]:
    """All sections on a group that have anything to show, the verdict first."""
    makers: Sequence[Callable[[Group], Section | None]] = (
        *(_verdict, _cost, _head_to_head, _searches, _weights, _losses, _landscape),
        *(_sequences, _frames, _beside_the_paper, _ranks, _failures, _ledger, _protocol),
    )
    made = (maker(group) for maker in makers)
    return [section for section in made if section is not None and section.blocks]


def _name_of(group: Group) -> str:
    return ", ".join(dict.fromkeys(group.trials["study"]))


def _verdict(group: Group) -> Section:
    verdict = judge(group.methods, group.baseline, group.contrasts, group.metric)
    blocks: list[Block] = [Paragraph(verdict.headline, "lead"), Listing(verdict.sentences)]
    for name, title in (("device_name", "devices"), ("precision", "precisions"), ("workers", "numbers of workers")):
        values = group.own[name].dropna().unique()
        if len(values) > 1:
            text = (
                f"Trials ran on different {title} ({', '.join(map(str, values))}): their costs, and to a degree their "
            )
            blocks.append(Paragraph(text + "figures, differ for that reason too.", "warning"))
    imported = int(group.trials["imported_from"].notna().sum())
    if imported:
        blocks.append(
            Paragraph(
                f"{imported} trials were imported: they stand in tables, marked, and in no comparison, since the "
                "conditions that they ran under are not known.",
                "note",
            )
        )
    return Section(f"Verdict: {_name_of(group)}", blocks, level=2)


def _cost(group: Group) -> Section:
    caption = (
        "Cost of a method, its search included, against what the configuration that it chose reaches on the "
        f"{'test' if group.split == 'test' else 'validation'} split. Up and to the left is better."
    )
    return Section(
        "Cost against accuracy",
        [
            picture("cost_vs_metrics", cost_vs_metrics(group.table, group.split), caption),
            tables.head_to_head(group.table, group.split),
        ],
    )


def _head_to_head(group: Group) -> Section | None:
    contrasts = group.contrasts
    if contrasts is None or group.baseline is None or contrasts.empty:
        return None
    metric = f"{group.split} MOTA"
    drawn = differences(contrasts, group.baseline.name, metric)
    caption = (
        f"Difference of each method to {group.baseline.name} under the same seeds. Thick: t-interval over seeds; thin: "
        "over seeds and sequences. Blue and orange: claims that hold for all methods together."
    )
    return Section(
        f"Against {group.baseline.name}",
        [
            picture("differences", drawn, caption),
            tables.differences(contrasts, group.baseline, metric),
        ],
    )


def _searches(group: Group) -> Section | None:
    own = [method for method in group.methods if not method.imported]
    if all(method.configurations == 1 for method in own):
        return None
    curves = pd.concat([best_over_cost(method).assign(method=method.title) for method in own], ignore_index=True)
    baseline = group.baseline
    target = math.nan if baseline is None else baseline.mean("val_mota")
    caption = (
        "Best validation MOTA found by the time that so much was spent. A grid: expected over the order of its points, "
        "or, with early stopping, as it ran; a search: as it ran, under the one seed that it chose by, which flatters "
        "it; a method with one configuration: a point, at the cost of its seeds."
    )
    blocks: list[Block] = [picture("best_after_budget", best_after_budget(curves, target), caption)]
    at_equal_cost = tables.equal_cost(own, baseline)
    return Section("What a search finds for its cost", [*blocks, *([at_equal_cost] if at_equal_cost else [])])


def _weights(group: Group) -> Section | None:
    steps = group.rows("steps")
    if steps.empty:
        return None
    trials = group.shown.merge(group.trials[["study", "trial_id", "weighting_status", "weighting_status_step"]])
    bad = trials[trials["weighting_status"].notna() & (trials["weighting_status"] != "healthy")]
    caption = (
        "Effective loss weights of every seed of what each method chose. Dotted: the step since which they had "
        "collapsed, were negative, or belonged to one task."
    )
    return Section("Loss weights", [picture("loss_weights", loss_weights(_thinned(steps, "step"), bad), caption)])


def _losses(group: Group) -> Section | None:
    epochs = group.rows("epochs")
    epochs = epochs[(epochs["split"] == "train") & (epochs["task"] != "")]
    if epochs.empty:
        return None
    caption = "Unweighted task losses on the training split, every seed of what each method chose."
    return Section("Task losses", [picture("task_losses", task_losses(epochs), caption)])


def _landscape(group: Group) -> Section | None:
    blocks: list[Block] = []
    for method in group.methods:
        if method.imported or method.configurations < 4:
            continue
        name = method.title.replace(": ", "_").replace(" ", "_")
        weights = [column for column in method.trials if column.startswith("weighting.loss_weights.")]
        if method.kind == "hwf" and len(weights) == 3:
            drawn = loss_weight_simplex(method.trials)
            caption = f"{method.title}: validation MOTA over the ratios of three loss weights; total scale is left out."
            blocks.append(picture(f"simplex_{name}", drawn, caption))
        if len(varying(method.trials)) > 1:
            caption = f"{method.title}: every configuration, its settings and its validation MOTA."
            blocks.append(picture(f"parallel_{name}", parallel_coordinates(method.trials), caption))
        importances = importance(method)
        if len(importances):
            blocks.append(tables.importance_table(name, importances))
    for setting, sign in (("weighting.channels", "channels C"), ("weighting.layers", "hidden layers N")):
        lwf = group.own[group.own["weighting"].isin(["lwf", "lwf_barrier", "lwf_entropy"])]
        if setting in lwf and lwf[setting].nunique() > 1:
            caption = f"Validation MOTA over the {sign} of the learned weighting."
            blocks.append(picture(setting.replace(".", "_"), ablation(lwf, setting), caption))
    if group.own["weighting"].nunique() == 1 and group.own["configuration_id"].nunique() > 1:
        caption = "Every configuration by itself: cost of one trial, and of the searches as a whole."
        blocks.append(picture("configurations", cost_vs_accuracy(group.trials), caption))
    return Section("Search landscape", blocks)


def _sequences(group: Group) -> Section | None:
    rows = group.rows("sequences")
    last = rows[(rows["split"] == group.split) & (rows["epoch"] == rows["epochs_done"]) & rows["completed"]]
    if last.empty:
        return None
    # A seed that failed has no rows: its cells are empty, and so is the mean over seeds.
    missing = group.shown[~group.shown["trial_id"].isin(last["trial_id"])]
    empty = missing.merge(last[["sequence", "split", "epoch"]].drop_duplicates("sequence"), how="cross")
    drawn = per_sequence(pd.concat([last, empty], ignore_index=True))
    caption = (
        f"MOTA of every {group.split} sequence, mean over seeds: whether a method is better everywhere or on one. "
        "Hatched: a seed of the method did not complete."
    )
    return Section("Sequence by sequence", [picture("sequences", drawn, caption)])


def _frames(group: Group) -> Section | None:
    drawn = make_strip(group) if group.draw_frames else None
    return None if drawn is None else Section("What the trackers do", [drawn])


def _beside_the_paper(group: Group) -> Section | None:
    ours = _name_of(group)
    own = [method for method in group.methods if not method.imported]
    made = (
        paper.hard_weights(group.own, ours),
        paper.channels(group.own, ours),
        paper.layers(group.own, ours),
        paper.tracking_time(own, group.sequences, ours),
    )
    return Section("Beside the paper's tables", [table for table in made if table is not None])


def _ranks(group: Group) -> Section | None:
    stability = rank_stability(group.methods, group.metric)
    if len(stability) < 2 or stability["seeds"].iloc[0] < 2:
        return None
    between, with_val = agreement(group.methods, group.metric), correlation(group.methods, "val_mota", group.metric)
    lines = []
    if not math.isnan(between):
        lines.append(f"Agreement of the rankings under single seeds (Kendall's W): {between:.2f}.")
    if group.split == "test" and not math.isnan(with_val):
        lines.append(f"Between validation and test MOTA (Kendall's tau): {with_val:.2f}.")
    return Section("How sure the order is", [Paragraph(" ".join(lines)), tables.rank_table(stability)])


def _failures(group: Group) -> Section | None:
    table = tables.failures(group.trials, group.titles)
    return None if table is None else Section("Failures and collapses", [table])


def _ledger(group: Group) -> Section | None:
    ledger = group.evidence.ledger()
    ledger = ledger[ledger["study"].isin(group.own["study"])]
    if group.own.empty or ledger.empty:
        return None
    blocks: list[Block] = [tables.cost_ledger(group.own, ledger)]
    if group.own["predicted_device_seconds"].notna().any():
        caption = "What the plan said a trial would cost, and what it did; the band is 25 % to either side."
        blocks.append(picture("predicted", predicted_vs_actual(group.own), caption))
    return Section("Where the time went", blocks)


def _protocol(group: Group) -> Section | None:
    if group.own.empty:
        return None
    first = group.own.iloc[0]
    plain = flatten(json.loads(first["configuration"]))
    shown = {key: plain[key] for key in plain if key.startswith(("train.", "data.image_size", "data.max_frame_gap"))}
    seeds = ", ".join(str(seed) for seed in sorted(group.own["seed"].unique()))
    sequences = group.evidence.rows("sequences", group.own.iloc[:1][["study", "trial_id"]])
    counts = sequences[sequences["epoch"] == sequences["epoch"].max()].groupby("split")
    frames = ", ".join(
        f"{split} {len(rows)} sequences of {int(rows['num_frames'].sum())} frames" for split, rows in counts
    )
    lines = [
        f"data {first['data_hash']}{f': {frames}' if frames else ''}",
        f"tracker {first['tracker']}, {_known(group.own['num_parameters'])} parameters; objective {first['objective']}",
        f"seeds {seeds}; under one seed all methods begin with the same network and see the same batches",
        "configurations are chosen by validation MOTA; test figures chose nothing",
        ", ".join(f"{key.partition('.')[2]} {value}" for key, value in shown.items()),
        *(
            f"{title}: {', '.join(map(str, group.own[name].dropna().unique()))}"
            for name, title in (
                *(("device_name", "devices"), ("workers", "workers"), ("precision", "precision")),
                *(("git_sha", "commits"), ("torch_version", "torch"), ("ray_version", "ray")),
            )
        ),
    ]
    dirty = int(group.own["git_dirty"].fillna(False).astype(bool).sum())
    if dirty:
        lines.append(f"{dirty} trials ran with code that differed from its commit; what it differed in lies in diffs/")
    return Section(
        "Protocol, provenance, reproduction", [Listing(tuple(lines)), Listing(tuple(_commands(group)), code=True)]
    )


def _commands(group: Group) -> list[str]:
    studies = list(dict.fromkeys(group.own["study"]))
    complete = [method for method in group.methods if method.complete and not method.imported]
    lines = [f"python -m study.run {study}" for study in studies]
    if complete:
        best = max(complete, key=lambda method: method.mean("val_mota"))
        lines.append(f"python -m study.run repro {best.chosen['trial_id'].iloc[0]}")
    return lines


def _known(values: pd.Series) -> str:
    return ", ".join(f"{value:,.0f}" for value in sorted(values.dropna().unique())) or "an unknown number of"


def _thinned(rows: pd.DataFrame, over: str) -> pd.DataFrame:
    """At most so many steps of each trial as a line can show, evenly spaced."""
    numbers = rows.groupby("trial_id")[over].rank(method="dense")
    every = (numbers.groupby(rows["trial_id"]).transform("max") / _LINES).clip(lower=1).round()
    return rows[(numbers - 1) % every == 0]
