import pickle
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from example_rows import make_measured_row, make_row, make_study
from tiny_trials import DEFAULTS

from study.config import Data, Execution, Train
from study.errors import UserError
from study.losses.objectives import CLS_REG
from study.plan import make_plan
from study.provenance import code_hash
from study.results import ResultStore
from study.search_config import ASHA, Median, Population, Search
from study.space import Choice, Option, Simplex, Uniform
from study.studies import list_studies, load_study
from study.tracker import chained
from study.weighting import hwf, lwf, uncertainty

POINTS = [{"weighting.loss_weights": {"cls": cls, "reg": reg}} for cls in (0.5, 1) for reg in (1, 2)]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def store(tmp_path) -> ResultStore:
    return ResultStore(tmp_path / "results", "example")


def test_every_configuration_comes_once_with_every_seed(store, cache_dir):
    plan = make_plan(make_study(POINTS, seeds=(3, 1)), store, cache_dir=cache_dir)
    assert [trial.seed for trial in plan.trials] == [3] * 4 + [1] * 4
    assert [trial.index for trial in plan.trials] == list(range(8))
    assert len({trial.trial_id for trial in plan.trials}) == 8
    assert len({trial.configuration_id for trial in plan.trials}) == 4
    assert plan.varying == ("weighting.loss_weights.cls", "weighting.loss_weights.reg")
    assert plan.label(plan.trials[0]) == "cls=0.5 reg=1 seed=3"
    assert plan.done == frozenset()
    assert plan.missing == plan.trials


def test_what_workers_need_of_a_plan_does_not_grow_with_its_trials(store, cache_dir):
    more = [{"weighting.loss_weights": {"cls": 1 + i / 100, "reg": 2 + i}} for i in range(100)]
    few, many = (make_plan(make_study(points), store, cache_dir=cache_dir) for points in (POINTS, more))
    assert len(pickle.dumps(many)) - len(pickle.dumps(few)) > 50 * len(more)
    assert abs(len(pickle.dumps(many.for_workers())) - len(pickle.dumps(few.for_workers()))) < 50


def test_trials_are_named_alike_wherever_the_study_file_puts_them(store, cache_dir):
    one = make_plan(make_study(POINTS), store, cache_dir=cache_dir)
    two = make_plan(make_study(POINTS[::-1], name="other"), store, cache_dir=cache_dir)
    assert {trial.trial_id for trial in one.trials} == {trial.trial_id for trial in two.trials}


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("completed", True),
        ("pruned", False),
        ("diverged", True),
        ("failed", False),
        ("oom", False),
        ("timeout", False),
        ("interrupted", False),
    ],
)
def test_finished_trials_are_done_and_broken_off_ones_run_again(store, cache_dir, status, done):
    study = make_study(POINTS)
    first = make_plan(study, store, cache_dir=cache_dir).trials[0]
    store.write_trial(make_row(first, 0.5, status=status))
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.done == (frozenset({first.trial_id}) if done else frozenset())
    assert len(plan.missing) == 4 - done


def test_cost_is_predicted_from_the_same_configuration_or_else_from_alike_ones(store, cache_dir):
    study = make_study(POINTS, seeds=(0, 1), execution=Execution(gpus_per_worker=0))
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.predictions.trials == {}
    for trial, train in zip(plan.trials, (80.0, 180.0), strict=False):
        store.write_trial(make_measured_row(trial, plan.splits.data_hash, train=train))
    plan = make_plan(study, store, cache_dir=cache_dir)
    predicted = [plan.predictions.trials[trial.trial_id].device_seconds for trial in plan.trials]
    assert predicted == pytest.approx([100, 200, 150, 150] * 2)
    assert sum(plan.predictions.basis.values()) == len(plan.missing) == 6


def test_other_code_or_packages_are_reported_and_run_again_on_demand(store, cache_dir):
    study = make_study(POINTS)
    one, two, three, _ = make_plan(study, store, cache_dir=cache_dir).trials
    store.write_trial(make_row(one, 0.5) | {"code_hash": "0" * 16, "torch_version": "1.0"})
    store.write_trial(make_row(two, 0.5))
    store.write_trial(make_row(three) | {"code_hash": "0" * 16})
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.changed.keys() == {one.trial_id}
    assert plan.changed[one.trial_id].startswith("code, torch 1.0 -> 2.")
    assert plan.done == {one.trial_id, two.trial_id}
    again = make_plan(study, store, cache_dir=cache_dir, rerun_changed=True)
    assert again.done == {two.trial_id}
    assert again.restart == {one.trial_id}


def test_a_path_of_the_data_is_made_absolute(store, cache_dir, monkeypatch):
    sequence = make_plan(make_study(), store, cache_dir=cache_dir).splits.train[0].sequence
    root = sequence.folder.parent
    monkeypatch.chdir(root.parent)
    data = Data(root=root.name, train=(f"{sequence.name}[1-4]",), val=(f"{sequence.name}[6-]",))
    plan = make_plan(make_study(data=data), store, cache_dir=cache_dir)
    assert plan.study.data.root == str(root)
    assert plan.trials[0].configuration.data.root == str(root)
    assert plan.splits.train[0].sequence.folder.is_absolute()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": (POINTS[0], POINTS[1], POINTS[0])}, r"points\[0\] and points\[2\] are the same configuration"),
        ({"points": ({}, {"weighting.loss_weights": {"rge": 1}})}, r"points\[1\]: .*no task 'rge'.*did you mean 'reg'"),
        ({"points": ({"train.epoks": 1},)}, r"points\[0\]: train: unknown key 'epoks'; did you mean 'epochs'"),
        ({"points": ({}, {"data.val": ["x"]})}, r"points\[1\]: data\.val differs from the study's"),
        ({"seeds": (1, 2, 1)}, r"seeds: 1 stands there 2 times"),
        ({"data": Data(root="synthetic:tinny")}, r"data\.root: .*did you mean 'tiny'"),
    ],
)
def test_mistakes_in_a_study_are_named(store, cache_dir, changes, message):
    with pytest.raises(UserError, match=message):
        make_plan(make_study(**changes), store, cache_dir=cache_dir)


def test_a_weighting_with_a_network_of_its_own_is_refused(store, cache_dir):
    two = chained.Config(towers=("cls", "reg"))
    objective = {"objective": CLS_REG}
    mixed = make_study([{"weighting": hwf.Config()}, {"weighting": lwf.Config(), "tracker": two}], **objective)
    with pytest.raises(UserError, match=r"points\[1\] trains a tracker of [\d,]+ parameters and points\[0\] one of"):
        make_plan(mixed, store, cache_dir=cache_dir)
    every = [{"weighting": w, "tracker": t} for w in (hwf.Config(), lwf.Config()) for t in (chained.Config(), two)]
    assert len(make_plan(make_study(every, **objective), store, cache_dir=cache_dir).trials) == 4
    alike = [{"weighting": hwf.Config()}, {"weighting": lwf.Config(), "tracker.nms_sigma": 0.2}]
    assert len(make_plan(make_study(alike, **objective), store, cache_dir=cache_dir).trials) == 2


def test_a_search_may_choose_the_tracker_but_not_together_with_the_weighting(store, cache_dir):
    def plan(space):
        study = make_study(search=search(space=space, start=()))
        return make_plan(study, store, cache_dir=cache_dir)

    widths, sigmas = Choice(values=(8, 16)), Choice(values=(0.2, 0.3))
    assert plan({"tracker.width": widths, "weighting": Choice(values=(hwf.Config(), lwf.Config()))}).total == 4
    together = [
        {"weighting": Choice(values=(lwf.Config(), Option(value=hwf.Config(), space=space)))}
        for space in ({"tracker.width": widths}, {"tracker.nms_sigma": sigmas})
    ]
    with pytest.raises(UserError, match=r"search\.space: weighting chooses the weighting together with trackers of"):
        plan(together[0])
    assert plan(together[1]).total == 3


def test_a_setting_is_told_only_where_it_tells_apart(store, cache_dir):
    configs = (hwf.Config(), lwf.Config(lr=0.1), lwf.Config(lr=0.2), uncertainty.Config(lr=0.1))
    study = make_study([{"weighting": config} for config in configs])
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert [plan.label(trial) for trial in plan.trials] == [
        "weighting=hwf seed=0",
        "weighting=lwf lr=0.1 seed=0",
        "weighting=lwf lr=0.2 seed=0",
        "weighting=uncertainty seed=0",
    ]


def test_all_studies_that_come_with_the_platform_load():
    studies = list_studies()
    assert "hwf_grid" in [name for name, _, _ in studies]
    for name, description, path in studies:
        assert load_study(name).description == description
        assert load_study(str(path)).name == name


TRIALS = {
    "hwf_fine": 81,
    "hwf_random": 16 + 2,
    "hwf_optuna": 24 + 2,
    "hwf_simplex": 20 + 2,
    "hwf_asha": 32 + 2,
    "hwf_pbt": 6 * 4 + 2,
    "hwf_pareto": 24,
}


@pytest.mark.parametrize("name", [name for name, _, _ in list_studies()])
def test_every_study_plans_and_every_configuration_of_it_is_one(name, tmp_path, cache_dir):
    study = load_study(name)
    data = study.data.model_copy(update={"root": "synthetic:tiny", "train": (), "val": (), "test": ()})
    train = study.train.model_copy(update={"start_from": None})  # of which there is nothing yet
    study = study.model_copy(update={"data": data, "train": train})
    plan = make_plan(study, ResultStore(tmp_path, name), cache_dir=cache_dir)
    assert plan.total == TRIALS.get(name, len(plan.trials))
    assert len({trial.trial_id for trial in plan.trials}) == len(plan.trials) <= plan.total
    assert plan.missing == plan.trials
    assert bool(plan.varying) == (study.search is not None or len(study.points) > 1)
    for trial in plan.trials:
        trial.configuration.weighting.build(trial.configuration.objective.tasks)


def test_the_base_of_a_study_trains_its_tracker_with_its_seeds_and_keeps_all_of_them():
    fine, base = load_study("deepmot_finetune"), load_study("deepmot_base")
    assert fine.train.start_from == base.name
    assert (fine.tracker, fine.seeds, fine.data) == (base.tracker, base.seeds, base.data)
    assert base.execution.keep_checkpoints == "all"
    assert len(base.configurations()) == 1


def test_head_to_head_has_every_weighting_and_a_search_for_each_learned_one():
    weightings = [configuration.weighting for configuration in load_study("head_to_head").configurations()]
    found_by_a_search = {"hwf_schedule"}  # of a population: no method that could be set beside others
    assert {weighting.kind() for weighting in weightings} == set(DEFAULTS) - found_by_a_search
    rates = Counter((w.kind(), getattr(w, "output", None)) for w in weightings if hasattr(w, "lr"))
    assert set(rates.values()) == {3}
    assert sum(isinstance(weighting, hwf.Config) for weighting in weightings) == 6


def write_study(path: Path, text: str) -> str:
    path.write_text(textwrap.dedent(text))
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nSTUDY = (\n", r"mine\.py:2: '\(' was never closed"),
        ("\nimport no_such_module", r"mine\.py:2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\n", r"mine\.py: defines no STUDY; expected STUDY = Study\(...\)"),
        ("STUDY = {}", r"mine\.py: STUDY is a dict; expected a study\.config\.Study"),
        (
            "from study.config import Train\nT = Train(\n    epoks=2)",
            r"mine\.py:2: Train: unknown key 'epoks'; did you",
        ),
        ("from study.config import Train\nT = Train(lr='a')", r"mine\.py:2: Train: lr: Input should be a valid number"),
        ("def f():\n    return 1 / 0\nf()", r"mine\.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_mistakes_in_a_study_file_are_told_with_their_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load_study(write_study(tmp_path / "mine.py", text))


def test_unknown_studies_and_files_are_told():
    with pytest.raises(UserError, match="no study 'hwf_gird' in search_spaces; did you mean 'hwf_grid'"):
        load_study("hwf_gird")
    with pytest.raises(UserError, match=r"no/such/file\.py: no such study file"):
        load_study("no/such/file.py")


OUTSIDE = """
    from study.config import WeightingConfig
    from study.weighting import Weighting

    class Config(WeightingConfig):
        factor: float = 1.0

        def build(self, tasks):
            return Weighting(tasks)
"""

MINE = """
    from study.config import Data, Study
    from study.losses.objectives import CLS_REG_REID
    from study.tracker import chained
    from parts_of_mine import halving

    STUDY = Study(name="mine", description="", data=Data(root="synthetic:tiny"), tracker=chained.Config(),
                  objective=CLS_REG_REID, weighting=halving.Config(),
                  points=[{"weighting.factor": factor} for factor in (1, 2)])
"""


def test_a_study_file_uses_components_in_modules_beside_it(tmp_path, cache_dir, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    outside = tmp_path / "parts_of_mine" / "halving.py"
    outside.parent.mkdir()
    write_study(outside, OUTSIDE)
    study = load_study(write_study(tmp_path / "mine.py", MINE))
    plan = make_plan(study, ResultStore(tmp_path, "mine"), cache_dir=cache_dir)
    assert [trial.configuration.weighting.kind() for trial in plan.trials] == ["parts_of_mine.halving"] * 2
    assert plan.varying == ("weighting.factor",)
    look = f"""
import sys; sys.path.append({str(tmp_path)!r})
from study.studies import load_study
from study.provenance import code_hash
print(code_hash(load_study({str(tmp_path / "mine.py")!r}).configurations()[0]))
"""
    run = [sys.executable, "-B", "-c", look]
    before = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    assert before == code_hash(plan.trials[0].configuration)
    outside.write_text(outside.read_text() + "# changed\n")
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() != before


def test_a_plan_counts_only_its_own_trials_as_done(store, cache_dir):
    study = make_study(POINTS)
    first = make_plan(study, store, cache_dir=cache_dir).trials[0]
    store.write_trial(make_row(replace(first, trial_id="f" * 16), 0.5))
    assert make_plan(study, store, cache_dir=cache_dir).done == frozenset()


SIMPLEX = {"weighting.loss_weights": Simplex(ratio=5)}
START = ({"weighting.loss_weights": {"cls": 2.0}},)


def search(**settings) -> Search:
    return Search(**({"space": SIMPLEX, "num_configurations": 4, "start": START} | settings))


def test_a_search_plans_its_starting_points_and_counts_what_is_to_come(store, cache_dir):
    plan = make_plan(make_study(search=search(), seeds=(0, 1, 2)), store, cache_dir=cache_dir)
    (first,) = plan.trials
    assert (plan.total, plan.done, plan.ended) == (6, frozenset(), False)
    assert plan.varying == tuple(f"weighting.loss_weights.{task}" for task in ("cls", "reg", "reid"))
    assert plan.label(first) == "cls=1.5 reg=0.75 reid=0.75 seed=0"
    assert first.suggested == {f"weighting.loss_weights.{task}/cls": 0.5 for task in ("reg", "reid")}
    assert plan.predictions.unknown == (first.trial_id,)
    assert plan.predictions.number == 6
    assert plan.predictions.device_seconds is None


def test_a_search_that_has_ended_plans_nothing_more(store, cache_dir):
    study = make_study(search=search(num_configurations=1), seeds=(0, 1))
    for _ in range(2):
        plan = make_plan(study, store, cache_dir=cache_dir)
        assert not plan.ended
        for trial in plan.missing:
            store.write_trial(make_row(trial, 0.5, varying=plan.varying, data_hash=plan.splits.data_hash))
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert plan.ended
    assert [trial.seed for trial in plan.trials] == [0, 1]


def test_stopped_trials_stand_where_there_is_early_stopping(store, cache_dir):
    for settings, stands in (
        ({"points": POINTS[:1]}, False),
        ({"points": POINTS[:1], "early_stopping": ASHA()}, True),
        ({"search": search(num_configurations=1)}, False),
        ({"search": search(num_configurations=1), "early_stopping": Median()}, True),
    ):
        study = make_study(**settings)
        (trial,) = make_plan(study, store, cache_dir=cache_dir).trials
        store.write_trial(make_row(trial, 0.5, status="pruned"))
        assert make_plan(study, store, cache_dir=cache_dir).ended == stands


def test_a_population_plans_its_first_generation(store, cache_dir):
    study = make_study(search=Population(size=3, epochs_per_generation=2), seeds=(0, 1))
    plan = make_plan(study, store, cache_dir=cache_dir)
    assert (plan.total, [trial.until for trial in plan.trials]) == (3 * 2 + 1, [2, 2, 2])
    assert plan.varying == ("weighting.stages",)
    assert plan.label(plan.trials[0]).startswith("generation=1 member=1 cls=")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search": search(objectives=("val_motta",))},
            r"search\.objectives\[0\]: 'val_motta' .*did you mean 'val_mota'",
        ),
        ({"search": search(space={"weighting.lr": Uniform(low=0.1, high=1)}, start=())}, "search.space: .*key 'lr'"),
        (
            {"search": search(space={"train.lr": Uniform(low=-1, high=0)}, start=())},
            "search.space: train.lr: .*greater",
        ),
        ({"search": search(space={"data.root": Choice(values=("a", "b"))}, start=())}, "search: data.root differs"),
        ({"search": search(start=({"weighting.loss_weights": {"cls": 99}},))}, r"search\.start\[0\] is outside of"),
        (
            {"search": Population(start=({"rge": 2.0},))},
            r"search: .*no task 'rge' in the objective; did you mean 'reg'",
        ),
        ({"early_stopping": ASHA(metric="val_moat")}, "early_stopping.metric: 'val_moat' is no validation metric"),
        ({"early_stopping": ASHA(), "train": Train(epochs=4, validate_every=4)}, "nothing would ever stop early"),
    ],
)
def test_mistakes_in_a_search_are_named_before_anything_runs(store, cache_dir, changes, message):
    with pytest.raises(UserError, match=message):
        make_plan(make_study(**changes), store, cache_dir=cache_dir)
