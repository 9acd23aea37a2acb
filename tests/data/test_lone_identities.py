"""Data in which nobody is seen twice: what learns from identities is refused, what does not can be trained."""

import pytest

from study.config import Data, Study
from study.data.statistics import recurs
from study.errors import UserError
from study.losses.objectives import CLMOT, CLS_REG_REID, DEEPMOT, FAIRMOT, TRANSTRACK
from study.plan import make_plan
from study.results import ResultStore
from study.tracker import center, chained
from study.weighting import equal


@pytest.fixture
def plan_of(make_sequence, tmp_path):
    """Plans a study on a sequence; `lone` numbers every box anew."""

    def plan(tracker, objective, *, lone):
        rows = [
            f"{frame},{(frame * 2 + one) if lone else one + 1},{40 * one + 1},5,20,40,1,1,1\n"
            for frame in range(1, 9)
            for one in range(2)
        ]
        name = "lone" if lone else "known"
        root = make_sequence(name, frames=8, size=(96, 64), gt="".join(rows)).parent
        splits = {"train": (f"{name}[1-6]",), "val": (f"{name}[7-8]",)}
        study = Study(
            name="lone",
            description="a test",
            data=Data(root=str(root), image_size=(64, 48), **splits),
            tracker=tracker,
            objective=objective,
            weighting=equal.Config(),
        )
        return make_plan(study, ResultStore(tmp_path / "results", "lone"), cache_dir=tmp_path / "cache")

    return plan


@pytest.mark.parametrize(
    ("tracker", "objective", "told"),
    [
        (center.Config(), FAIRMOT, "task loss 'identity' learn"),
        (center.Config(), DEEPMOT, "task loss 'identity', task loss 'dmota' learn"),
        (chained.Config(), CLS_REG_REID, "tracker 'chained' learn"),
    ],
)
def test_what_learns_from_identities_is_refused_where_nobody_is_seen_twice(tracker, objective, told, plan_of):
    with pytest.raises(UserError, match=rf"points\[0\]: {told} from identities, and none of the training data has"):
        plan_of(tracker, objective, lone=True)
    assert plan_of(tracker, objective, lone=False).missing


@pytest.mark.parametrize("objective", [CLMOT, TRANSTRACK])
def test_what_does_without_is_not(objective, plan_of):
    plan = plan_of(center.Config(), objective, lone=True)
    assert len(plan.missing) == 1
    assert not recurs(plan.splits.train, 0.0)
    assert recurs(plan_of(center.Config(), objective, lone=False).splits.train, 0.0)
