import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from short_trials import EXECUTION
from tiny_trials import configuration

from study.prediction.conditions import find_conditions
from study.prediction.measurement import KeptProbes, Measurement
from study.provenance import code_hash
from study.weighting import hwf, lwf

FOUND = Measurement(
    startup_seconds=0.5,
    step_seconds=0.25,
    overhead_seconds_per_epoch=0.125,
    eval_seconds_per_frame=0.0625,
    model_bytes=1000,
    state_bytes=3000,
    group_startup_seconds=4.0,
    steps=10,
    frames=72,
    slowed=1.0,
    beside=2,
)
HWF, LWF = configuration(hwf.Config()), configuration(lwf.Config())


@pytest.fixture
def kept(tmp_path):
    conditions = find_conditions(EXECUTION, trials=2)
    probes = KeptProbes(tmp_path, conditions, "d" * 16)
    probes.write(HWF, FOUND)
    (path,) = (tmp_path / "probes").iterdir()
    return SimpleNamespace(probes=probes, conditions=conditions, folder=tmp_path, path=path)


def test_a_kept_probe_serves_whatever_costs_the_same(kept):
    assert kept.probes.read(HWF) == FOUND
    assert kept.probes.read(configuration(hwf.Config(loss_weights={"cls": 3.0}), epochs=50)) == FOUND
    assert kept.probes.read(LWF) is None
    assert kept.path.stem.endswith(f"-{code_hash(HWF)}")


def test_a_kept_probe_serves_under_its_conditions_and_on_its_data_only(kept):
    others = {"workers": 2, "devices_per_worker": 2.0, "device_name": "a GPU", "beside": 7, "precision": "float64"}
    for name, value in others.items():
        conditions = replace(kept.conditions, **{name: value})
        assert KeptProbes(kept.folder, conditions, "d" * 16).read(HWF) is None, name
    assert KeptProbes(kept.folder, kept.conditions, "e" * 16).read(HWF) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda _: b"",
        lambda content: b"\x00" * len(content),
        lambda content: json.dumps({**json.loads(content), "step_seconds": None}).encode(),
        lambda content: json.dumps({**json.loads(content), "step_seconds": -1}).encode(),
        lambda content: json.dumps({**json.loads(content), "of_another_version": 1}).encode(),
    ],
)
def test_what_cannot_be_read_is_as_good_as_none_and_is_replaced(damage, kept):
    kept.path.write_bytes(damage(kept.path.read_bytes()))
    assert kept.probes.read(HWF) is None
    kept.probes.write(HWF, FOUND)
    assert kept.probes.read(HWF) == FOUND


def test_unit_costs_of_a_probe_are_what_it_found():
    costs = FOUND.costs(devices=2.0)
    assert (costs.devices, costs.step_seconds, costs.state_bytes) == (2.0, 0.25, 3000)
    assert costs.basis == "a probe of 10 steps and 72 frames, 2 at a time"
