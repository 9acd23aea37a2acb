"""Probes in processes of their own, as they run before a study."""

import psutil
import pytest
import torch
from short_trials import EXECUTION, tiny_study
from tiny_trials import configuration

from study.capacity import Capacity, find_capacity
from study.config import Execution
from study.errors import DivergedError
from study.prediction import make_predictor
from study.prediction.measure import measure
from study.prediction.probe import ProbeError, Probes, seats_of
from study.prediction.probing import probe_unknown
from study.prediction.sample import sample
from study.results import ResultStore
from study.weighting import hwf, lwf

ALONE = Capacity(slots=1, workers=1, cpus_per_worker=1, gpus_per_worker=0.0)


def test_a_sample_is_a_few_clips_with_enough_to_score(splits):
    found = sample(splits, workers=1)
    assert 0 < len(found.val) <= 3
    assert all(clip.num_frames <= 24 for clip in found.val)
    assert [clip.sequence.name for clip in found.test] == [clip.sequence.name for clip in found.val]
    assert all(clip.num_frames <= 2 for clip in found.test)
    assert set(found.train) <= set(splits.train)


@pytest.mark.parametrize(
    ("gpus", "workers", "devices", "backend"),
    [
        (0.0, 2, ["cpu"] * 4, "gloo"),
        (1.0, 2, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"], "nccl"),
        (2.0, 1, ["cuda:0", "cuda:2"], "nccl"),
        (0.5, 2, ["cuda:0", "cuda:0", "cuda:1", "cuda:1"], "gloo"),
        (1 / 3, 2, ["cuda:0", "cuda:0", "cuda:0", "cuda:1"], "gloo"),
    ],
)
def test_every_worker_has_the_device_that_its_share_leaves(gpus, workers, devices, backend):
    seats = seats_of(Capacity(slots=2, workers=workers, cpus_per_worker=3, gpus_per_worker=gpus), 2)
    assert [seat.device for seat in seats] == devices
    assert [(seat.trial, seat.rank) for seat in seats] == [(t, r) for t in range(2) for r in range(workers)]
    assert {(seat.threads, seat.backend, seat.world) for seat in seats} == {(3, backend, workers)}


def test_two_trials_side_by_side_are_measured_kind_after_kind_whatever_fails(splits, cache_dir, ran):
    with Probes(ALONE, 2, cache_dir) as probes:
        found = probes.measure(configuration(hwf.Config()), splits)
        with pytest.raises(ProbeError, match=r"step 0 \(epoch 1\): weighted total is inf"):
            probes.measure(configuration(hwf.Config(loss_weights={"cls": 1e38, "reg": 1e38, "reid": 1e38})), splits)
        other = probes.measure(configuration(lwf.Config()), splits)
    assert (found.beside, found.frames) == (2, sum(c.num_frames for c in sample(splits, 1).val))
    for measured in (found, other):
        assert 1 <= measured.steps <= 10
        seconds = [measured.startup_seconds, measured.step_seconds, measured.eval_seconds_per_frame]
        assert all(0 < value < 60 for value in [*seconds, measured.group_startup_seconds])
    # What is kept of a real trial of this configuration is as large as the probe said.
    (trial, *_) = ran.plan.trials
    model = ran.store.folder / "checkpoints" / trial.trial_id
    assert len(model.read("model.pt")) == pytest.approx(found.model_bytes, rel=0.01)
    assert found.state_bytes > 2.5 * found.model_bytes
    assert not list((cache_dir / "probes").glob("*.pt"))


def test_the_workers_of_a_trial_are_measured_together(splits, cache_dir):
    capacity = find_capacity(Execution(workers=2, gpus_per_worker=0), [{"CPU": 2}])
    with Probes(capacity, 1, cache_dir) as probes:
        found = probes.measure(configuration(hwf.Config()), splits)
    assert (found.beside, found.frames) == (1, sum(clip.num_frames for clip in sample(splits, 2).val))
    assert found.costs(capacity.devices).devices == 2


def test_after_a_process_has_died_the_next_kind_is_measured_by_others(splits, cache_dir):
    with Probes(ALONE, 1, cache_dir) as probes:
        probes.measure(configuration(hwf.Config()), splits)
        (process,) = (p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline()))
        process.kill()
        with pytest.raises(ProbeError, match="its process ended with exit code -9"):
            probes.measure(configuration(hwf.Config()), splits)
        assert probes.measure(configuration(hwf.Config()), splits).beside == 1


def test_a_trial_is_measured_at_its_full_learning_rate(splits, cache_dir):
    # At the rate of such a warm-up nothing would be learned, and nothing break.
    rushed = configuration(hwf.Config(), warmup_steps=10**15, lr=1e9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.raises(DivergedError):
        measure(rushed, sample(splits, 1), cache_dir, torch.device("cpu"))
    arrived = []
    measure(configuration(hwf.Config()), sample(splits, 1), cache_dir, torch.device("cpu"), lambda: arrived.append(1))
    torch.set_num_threads(threads)
    assert arrived == [1]


def test_what_is_unknown_is_probed_once_told_and_kept(tmp_path, splits, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    store = ResultStore(tmp_path, "tiny")
    points = [{}, {"weighting.loss_weights": {"cls": 2.0}}, {"weighting": {"kind": "lwf"}}]
    points.append({"weighting": {"kind": "hwf", "loss_weights": {"cls": 1e38}}, "train.batch_size": 3})
    configurations = tiny_study(points).configurations()

    def gather():
        return make_predictor(EXECUTION, splits, store, configurations, tmp_path, trials=4)

    before, lines = gather(), []
    assert [before.device_seconds(one) for one in configurations] == [None] * 4
    after = probe_unknown(before, configurations, splits, tmp_path, lines.append)
    assert [line.partition(":")[0] for line in lines] == [
        *("probe 1 of 3, hwf", "probe 2 of 3, lwf", "probe 3 of 3, hwf")
    ]
    assert "stays unknown: step 0 (epoch 1): " in lines[2]
    known = [after.device_seconds(one) for one in configurations]
    assert known[0] == known[1] > 0
    assert known[2] > 0
    assert known[3] is None
    assert after.group_seconds > 0

    again = gather()
    assert [again.device_seconds(one) for one in configurations] == known
    assert probe_unknown(again, configurations[:3], splits, tmp_path, lines.append) is again
    assert len(lines) == 3
