import os

import pytest
import torch

from study.config import Execution
from study.device import device_name
from study.prediction.conditions import find_conditions


def test_on_this_machine_trials_run_beside_each_other_on_its_cores(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    found = find_conditions(Execution(gpus_per_worker=0), trials=1)
    assert (found.elsewhere, found.beside, found.workers, found.devices_per_worker) == (None, 1, 1, 1.0)
    assert found.device_name == device_name(torch.device("cpu"))
    assert found.precision in ("float32", "bfloat16")
    assert 1 <= found.capacity.slots <= os.cpu_count()
    assert find_conditions(Execution(gpus_per_worker=0), trials=999).beside == found.capacity.slots


@pytest.mark.parametrize(
    ("execution", "address", "reason", "devices"),
    [
        ({}, "10.0.0.1:6379", "the cluster's machines are elsewhere", None),
        ({"gpus_per_worker": 0.5}, "10.0.0.1:6379", "the cluster's machines are elsewhere", 0.5),
        ({"gpus_per_worker": 0, "cpus_per_worker": 4}, "10.0.0.1:6379", "the cluster's machines are elsewhere", 4),
        ({"gpus_per_worker": 0, "cpus_per_worker": 9999}, "", "no trial fits on this machine", 9999),
    ],
)
def test_what_this_machine_cannot_stand_for_is_taken_as_it_comes(execution, address, reason, devices, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    found = find_conditions(Execution(**execution), trials=4)
    assert (found.elsewhere, found.devices_per_worker) == (reason, devices)
    assert (found.device_name, found.capacity, found.beside) == (None, None, None)


def test_rows_of_other_machines_workers_or_precisions_are_not_of_these_conditions(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    here = find_conditions(Execution(gpus_per_worker=0), trials=2)
    row = {"workers": 1, "devices_per_worker": 1.0, "device_name": here.device_name, "precision": here.precision}
    assert here.include(row, "auto")
    others = ({"workers": 2}, {"devices_per_worker": 2.0}, {"device_name": "a GPU"}, {"precision": "float64"})
    assert not any(here.include(row | other, "auto") for other in others)
    assert here.include(row | {"precision": "float32"}, "float32")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    cluster = find_conditions(Execution(), trials=2)
    assert cluster.include(row | {"device_name": "a GPU", "precision": "bfloat16"}, "auto")
    assert not cluster.include(row | {"workers": 2}, "auto")
