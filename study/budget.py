"""Whether a budget is of any use before anything is started."""

from study.duration import show_duration
from study.errors import UserError
from study.plan import Plan
from study.results import ResultStore, cost

_REMAINDER = 0.1
"""A share of the budget that is left over is too little for a trial, if nobody knows what one costs."""


def refuse_useless_budget(plan: Plan, store: ResultStore) -> None:
    """Check that at least one of the missing trials should end inside what is left.

    Raises:
        UserError: the budget is spent, or smaller than the cheapest trial.
    """
    budget = plan.study.execution.budget_device_seconds
    if budget is None or plan.ended:
        return
    spent = cost(store.ledger())["device_seconds"]
    asked = f"execution.budget_device_seconds: {show_duration(budget)} (--budget)"
    if spent >= budget:
        raise UserError(f"{asked} is spent: the study has cost {show_duration(spent)}; give more to go on")
    least = _cheapest(plan)
    if least is not None and spent + least > budget:
        raise UserError(
            f"{asked} is less than one trial: {show_duration(budget - spent)} of it are left, and to start a worker"
            f" group and run the cheapest trial should cost {show_duration(least)}; give more, or make trials "
            "shorter (train.epochs)"
        )


def suffices(plan: Plan, store: ResultStore) -> bool:
    """Whether what is left of the budget, if there is one, should do for another of the missing trials."""
    budget = plan.study.execution.budget_device_seconds
    if budget is None:
        return True
    left, least = budget - cost(store.ledger())["device_seconds"], _cheapest(plan)
    return left >= (_REMAINDER * budget if least is None else least)


def _cheapest(plan: Plan) -> float | None:
    """Device-seconds of the cheapest missing trial, with the start of a worker group; None where some are unknown."""
    predictions = plan.predictions
    costs = [one.left_device_seconds for one in predictions.left]
    if predictions.to_come_each is not None:
        costs.append(predictions.to_come_each.device_seconds)
    if not costs or predictions.unknown:
        return None
    capacity = predictions.predictor.conditions.capacity
    return min(costs) + (predictions.predictor.group_seconds or 0.0) * (capacity.devices if capacity else 0.0)
