"""What is said about cost before it is spent, and afterwards about the prediction."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from study.duration import show_duration
from study.plan import Plan
from study.prediction import Predictions, expect, predict
from study.prediction.kinds import kind_of
from study.results import cost

_START_SECONDS, _PROBE_SECONDS = 6, 3
"""What probes of a small tracker take on two idle cores: once, and for each kind of trial."""


def with_probes(plan: Plan, tell: Callable[[str], None]) -> Plan:
    """The plan with a prediction for every trial that is to run: kinds of which nothing is known are probed.

    Args:
        plan: whatever is known of its trials.
        tell: called with lines for whoever waits; nothing is told if nothing is probed.
    """
    from study.prediction.probing import probe_unknown

    predictions = plan.predictions
    unknown = [trial.configuration for trial in plan.missing if trial.trial_id in predictions.unknown]
    on = predictions.predictor.conditions
    number = len(unknown)
    if predictions.ahead.trials and predictions.to_come_each is None:
        unknown += [c for c in predictions.ahead.possible if predictions.predictor.of(c) is None]
        number += predictions.ahead.trials
    if not unknown or on.elsewhere is not None:
        return plan
    kinds = len({kind_of(configuration.resolved()) for configuration in unknown})
    tell(
        f"cost of {_trials(number)}: unknown, probing ({kinds} {'kind' if kinds == 1 else 'kinds'} of trial, "
        f"{on.beside} at a time; about {show_duration(_START_SECONDS + kinds * _PROBE_SECONDS)} for a small tracker)"
    )
    predictor = probe_unknown(predictions.predictor, unknown, plan.splits, plan.cache_dir, tell)
    known = predict(predictor, plan.trials, plan.missing, predictions.epochs_done)
    return replace(plan, predictions=expect(known, predictions.ahead))


def trial_cells(predictions: Predictions, trial_id: str) -> tuple[str, str]:
    """Device-seconds and disk of a trial for a table; of an interrupted one what is left to spend."""
    prediction = predictions.trials.get(trial_id)
    if prediction is None:
        return "unknown", "unknown"
    left = trial_id in predictions.missing
    seconds = prediction.left_device_seconds if left else prediction.device_seconds
    return f"{seconds:,.0f}", _bytes(prediction.kept_bytes)


def plan_lines(predictions: Predictions) -> list[str]:
    """What the trials that are to run should cost, and what that rests on."""
    if not predictions.left and not predictions.to_come_each:
        return [f"predicted cost: unknown ({_why_unknown(predictions)})"]
    return [*_cost_lines(predictions), f"prediction rests on {_basis(predictions)}"]


def outcome_line(plan: Plan, ledger_before: Iterable[Mapping[str, Any]], ledger: Iterable[Mapping[str, Any]]) -> str:
    """Predicted against actual: of the trials that this run was to run, and of everything that it held.

    Args:
        plan: what was run, with its predictions.
        ledger_before: the study's ledger when the run began.
        ledger: the same when it had ended.
    """
    before, after = list(ledger_before), list(ledger)
    predictions = plan.predictions
    earlier = _held(entry for entry in before if entry["trial_id"] not in {None, *plan.restart})
    trials = _held(entry for entry in after if entry["trial_id"] is not None) - earlier
    total = _held(after) - _held(before)
    price = plan.study.execution.price_per_device_hour
    money = "" if price is None else f"; {_money(total, price)}"
    predicted = None if predictions.device_seconds is None else predictions.trials_device_seconds
    return (
        f"{_trials(predictions.number)} of this run: {_compared(predicted, trials)}; "
        f"with worker groups: {_compared(predictions.device_seconds, total)}{money}"
    )


def _cost_lines(predictions: Predictions) -> list[str]:
    known, unknown = predictions.left, len(predictions.unknown)
    groups = predictions.groups_device_seconds
    seconds = predictions.trials_device_seconds + (groups or 0.0)
    price = predictions.predictor.execution.price_per_device_hour
    running = "" if groups is None else f", {groups:,.0f} of them to start worker groups"
    money = "" if price is None else f"; {_money(seconds, price)}"
    if predictions.ahead.stopping_share < 1:
        running += f", if early stopping leaves {predictions.ahead.stopping_share:.0%} of the epochs"
    rest = f"; {_trials(unknown)} unknown ({_why_unknown(predictions)})" if unknown else ""
    of = f" for {_trials(len(known))}" if unknown else ""
    wall, slots = predictions.wall_seconds, predictions.predictor.slots(predictions.number)
    time = "" if wall is None else f"{show_duration(wall)} with {slots} at a time, "
    return [
        f"predicted cost: {seconds:,.0f} device-seconds ({show_duration(seconds)}){of}{running}{money}{rest}",
        f"predicted time and disk: {time}{_bytes(predictions.kept_bytes)} "
        f"and {_bytes(predictions.running_bytes)} more while trials run",
    ]


def _why_unknown(predictions: Predictions) -> str:
    elsewhere = predictions.predictor.conditions.elsewhere
    if elsewhere is not None:
        return f"until a trial has run: {elsewhere}"
    return "no trial of its kind has run here; --dry-run probes it"


def _basis(predictions: Predictions) -> str:
    bases = predictions.basis or Counter([predictions.to_come_each.basis] if predictions.to_come_each else [])
    if len(bases) == 1:
        return next(iter(bases))
    return "; ".join(f"{basis} ({_trials(count)})" for basis, count in bases.items())


def _compared(predicted: float | None, actual: float) -> str:
    if predicted is None:
        return f"predicted unknown, actual {actual:,.0f} device-seconds"
    share = f" ({100 * (actual / predicted - 1):+.0f} %)" if predicted else ""
    return f"predicted {predicted:,.0f} device-seconds, actual {actual:,.0f}{share}"


def _held(ledger: Iterable[Mapping[str, Any]]) -> float:
    return cost(ledger)["device_seconds"]


def _money(device_seconds: float, price: float) -> str:
    return f"cost {device_seconds / 3600 * price:,.2f} at {price:g} per device-hour"


def _trials(count: int) -> str:
    return f"{count} trial" if count == 1 else f"{count} trials"


def _bytes(count: float) -> str:
    """Such as `1.6 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
