"""Every objective of the catalogue: on its tracker, under every weighting, as a whole trial, and as a kept tracker."""

import math
from pathlib import Path

import pytest
import torch
from tiny_trials import DATA, DEFAULTS, SMALL

from study.batch import FrameBatch
from study.checkpoint import load_model, model_bytes
from study.config import Configuration, Objective, Study, Train, validate
from study.data import FrameCache, Identities, box_statistics, read_splits
from study.data.samples import Samples
from study.errors import UserError
from study.losses import dmota, identity, triplet
from study.losses.objectives import CLMOT, FAIRMOT, ON_CENTER, ON_CHAINED
from study.plan import make_plan
from study.results import ResultStore
from study.step import Stepper
from study.studies import load_study
from study.tracker import center, chained
from study.tracker.association import Association
from study.train import TrialResult, train_trial
from study.weighting import equal

CPU = torch.device("cpu")
ANY_SCORE = Association(start_score=0.0, keep_score=0.0)
CENTER = center.Config(
    width=8, channels=16, head_channels=16, embedding_channels=8, candidate_score=0.0, max_candidates=6,
    association=ANY_SCORE,
)  # fmt: skip
TRACKERS = {objective.name: chained.Config(**SMALL, towers=("cls", "reg")) for objective in ON_CHAINED}
TRACKERS |= {"lwf": chained.Config(**SMALL)} | {objective.name: CENTER for objective in ON_CENTER}
OBJECTIVES = {objective.name: objective for objective in (*ON_CHAINED, *ON_CENTER)}


def configuration(objective: Objective) -> Configuration:
    return Configuration(data=DATA, tracker=TRACKERS[objective.name], objective=objective, weighting=equal.Config())


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def splits(cache_dir):
    return read_splits(DATA, cache_dir)


@pytest.fixture(scope="module")
def batch_of(splits, cache_dir):
    cache = FrameCache.open(splits.train, image_size=DATA.image_size, cache_dir=cache_dir)
    identities = Identities(splits.train, DATA.min_visibility)

    def make(objective: Objective) -> FrameBatch:
        samples = Samples(splits.train, cache, DATA, 0, identities, configuration(objective).sampling)
        return samples.training_batch(1, range(2)).on(CPU)

    return make


def test_the_catalogue_has_every_method_and_two_to_seven_task_losses():
    assert set(OBJECTIVES) == {
        *("lwf", "siamfc", "track_rcnn", "atom", "dimp", "ostrack", "transtrack", "fairmot", "diffusiontrack"),
        *("motiontrack", "stta", "reid_mot", "clmot", "deepmot", "core"),
    }
    assert {len(objective.tasks) for objective in OBJECTIVES.values()} == {2, 3, 4, 6, 7}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_any_weighting_weighs_it(name, splits, batch_of):
    """A step under each: what is learnt is finite, and the loss weights are those that the network descends by."""
    objective = OBJECTIVES[name]
    batch = batch_of(objective)
    statistics = box_statistics(splits.train, DATA.image_size, DATA.min_visibility)
    for kind, config in DEFAULTS.items():
        torch.manual_seed(0)
        tracker = TRACKERS[name].build(objective, statistics)
        weighting = config.build(objective.tasks)
        stepper = Stepper(Train(precision="float32"), tracker, weighting, objective.tasks, CPU)
        result = stepper(batch, 1.0, 1e-3, kind)
        assert len(result.losses) == len(result.loss_weights) == len(objective.tasks), kind
        assert all(map(math.isfinite, [*result.losses, *result.loss_weights, result.gradient_norm])), kind


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_whole_trial_and_the_tracker_that_is_kept_of_it(name, splits, cache_dir, tmp_path):
    configuration = Configuration(
        data=DATA,
        tracker=TRACKERS[name],
        objective=OBJECTIVES[name],
        weighting=equal.Config(),
        train=Train(epochs=1, batch_size=4, precision="float32"),
    )
    *_, result = train_trial(configuration, 0, splits, cache_dir=cache_dir, device=CPU)
    assert isinstance(result, TrialResult)
    assert {"val_mota", "val_idf1", "val_hota", "test_mota"} <= set(result.metrics)
    path = tmp_path / "model.pt"
    path.write_bytes(model_bytes(configuration, result.state()))
    stored, tracker = load_model(path)
    assert stored.objective == configuration.objective
    image = torch.zeros(3, DATA.image_size[1], DATA.image_size[0], dtype=torch.uint8)
    assert tracker.online().update(image).boxes_xyxy.shape[1] == 4


def test_the_study_of_all_objectives_has_a_plan(tmp_path):
    study = load_study("objectives")
    assert {configuration.objective.name for configuration in study.configurations()} == set(OBJECTIVES)
    study = validate(type(study), study.model_dump() | {"data": DATA.model_dump()}, "test")
    plan = make_plan(study, ResultStore(tmp_path, study.name), cache_dir=tmp_path / "cache")
    assert len(plan.missing) == len(study.points) * len(study.seeds)
    names = [plan.label(trial) for trial in plan.missing]
    assert len(set(names)) == len(names)
    assert all("objective=" in name and "task_losses" not in name for name in names)


@pytest.mark.parametrize(
    ("tracker", "objective", "message"),
    [
        (
            CENTER.model_copy(update={"embedding_channels": 0}),
            FAIRMOT,
            r"points\[0\]: .*'identity' needs 'embedding'; set tracker.embedding_channels above 0$",
        ),
        (
            CENTER.model_copy(update={"embedding_channels": 0}),
            CLMOT,
            r"points\[0\]: .*'triplet' needs 'embedding'; set tracker.embedding_channels above 0$",
        ),
        (chained.Config(), FAIRMOT, r"points\[0\]: .* needs "),
    ],
)
def test_a_tracker_without_what_an_objective_needs_is_refused_when_the_study_is_planned(
    tmp_path, tracker, objective, message
):
    study = load_study("objectives").model_copy(
        update={"data": DATA, "tracker": tracker, "objective": objective, "points": ({},)}
    )
    with pytest.raises(UserError, match=message):
        make_plan(study, ResultStore(tmp_path, study.name), cache_dir=tmp_path / "cache")


def test_views_and_labels_do_not_mix():
    with pytest.raises(ValueError, match="triplet learn from two views of a frame, and identity from identity labels"):
        Objective(name="both", task_losses=(triplet.Config(views=True), identity.Config()))


def test_a_sample_is_what_tracker_and_task_losses_have_to_see():
    seen = {name: configuration(objective).sampling for name, objective in OBJECTIVES.items()}
    assert {name for name, sampling in seen.items() if sampling.views} == {"clmot"}
    by_count = {count: {name for name, one in seen.items() if one.num_frames == count} for count in (1, 2, 3)}
    assert by_count[1] == {"fairmot", "transtrack"}
    assert by_count[3] == {"core"}
    assert len(by_count[2]) == len(OBJECTIVES) - 3


def test_a_tracker_without_an_embedding_is_told_before_training(splits, cache_dir):
    configuration = Configuration(
        data=DATA,
        tracker=CENTER.model_copy(update={"embedding_channels": 0}),
        objective=FAIRMOT,
        weighting=equal.Config(),
    )
    with pytest.raises(UserError, match="needs 'embedding'; set tracker"):
        next(train_trial(configuration, 0, splits, cache_dir=cache_dir, device=CPU))


def test_a_missing_network_of_assignments_or_pretrained_file_is_told_when_a_study_is_planned(tmp_path):
    network = dmota.Config(assignment="network", network=str(tmp_path / "OUT.pt"))
    objective = Objective(name="by_network", task_losses=(*FAIRMOT.task_losses, network))
    for changes, message in (
        ({"objective": objective}, r"points\[0\]: .*OUT\.pt: no such network of assignments; 'python -m"),
        (
            {"tracker": CENTER.model_copy(update={"backbone": "resnet18", "pretrained": str(tmp_path / "r.pt")})},
            r"points\[0\]: tracker\.pretrained: .*r\.pt: no such file of pretrained parameters",
        ),
    ):
        settings = {"objective": FAIRMOT, "tracker": CENTER} | changes
        study = Study(name="missing", description="a test", data=DATA, weighting=equal.Config(), **settings)
        with pytest.raises(UserError, match=message):
            make_plan(study, ResultStore(tmp_path, study.name), cache_dir=tmp_path / "cache")
