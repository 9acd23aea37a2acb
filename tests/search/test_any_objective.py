"""Hard weights of every objective of the catalogue can be searched, as raw numbers and as ratios."""

import math

import pytest
from searches import Driver, search_study

from study.losses.objectives import ON_CENTER, ON_CHAINED
from study.space import Simplex, Weights
from study.tracker import center, chained

TRACKERS = {objective.name: chained.Config(towers=("cls", "reg")) for objective in ON_CHAINED}
TRACKERS |= {"lwf": chained.Config()} | {objective.name: center.Config() for objective in ON_CENTER}


@pytest.mark.parametrize("objective", [*ON_CHAINED, *ON_CENTER], ids=lambda objective: objective.name)
@pytest.mark.parametrize("space", [Simplex(ratio=5), Weights()], ids=["ratios", "raw"])
def test_its_weights_are_searched(objective, space, tmp_path):
    study = search_study(
        4, space={"weighting.loss_weights": space}, objective=objective, tracker=TRACKERS[objective.name]
    )
    suggested = Driver(study, tmp_path).run()
    assert len({trial.configuration_id for trial in suggested}) == 4
    for trial in suggested:
        weights = trial.configuration.weighting.build(objective.tasks).loss_weights.tolist()
        assert set(trial.configuration.weighting.loss_weights) == set(objective.tasks)
        assert all(weight > 0 for weight in weights)
        if isinstance(space, Simplex):
            assert math.fsum(weights) == pytest.approx(len(objective.tasks))
    assert len({tuple(trial.configuration.weighting.loss_weights.values()) for trial in suggested}) == 4
