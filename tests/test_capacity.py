import pytest
from pydantic import ValidationError

from study.capacity import Capacity, find_capacity
from study.config import Execution
from study.errors import UserError


@pytest.mark.parametrize(
    ("execution", "nodes", "slots", "gpus", "devices"),
    [
        ({}, [{"CPU": 2}], 2, 0, 1),
        ({}, [{"CPU": 2}, {"CPU": 3}], 5, 0, 1),
        ({"max_concurrent_trials": 1}, [{"CPU": 2}], 1, 0, 1),
        ({"max_concurrent_trials": 9}, [{"CPU": 2}], 2, 0, 1),
        ({"workers": 2}, [{"CPU": 2}], 1, 0, 2),
        ({"cpus_per_worker": 2}, [{"CPU": 3}, {"CPU": 3}], 2, 0, 2),  # a worker does not span machines
        ({"workers": 2, "cpus_per_worker": 2}, [{"CPU": 3}, {"CPU": 3}], 1, 0, 4),
        ({}, [{"CPU": 16, "GPU": 4}], 4, 1, 1),
        ({}, [{"CPU": 2, "GPU": 4}], 2, 1, 1),  # too few cores to feed four
        ({"gpus_per_worker": 0}, [{"CPU": 16, "GPU": 4}], 16, 0, 1),
        ({"gpus_per_worker": 0.5}, [{"CPU": 16, "GPU": 4}], 8, 0.5, 0.5),
        ({"gpus_per_worker": 1 / 3}, [{"CPU": 16, "GPU": 1}], 3, 1 / 3, 1 / 3),
        ({"gpus_per_worker": 0.4}, [{"CPU": 16, "GPU": 2}], 4, 0.4, 0.4),  # nor does a fraction span GPUs
        ({"workers": 4, "gpus_per_worker": 2}, [{"CPU": 16, "GPU": 4}] * 2, 1, 2, 8),
        ({}, [{"CPU": 16}, {"CPU": 8, "GPU": 1}], 1, 1, 1),
    ],
)
def test_as_many_trials_as_fit(execution, nodes, slots, gpus, devices):
    capacity = find_capacity(Execution(**execution), nodes)
    assert (capacity.slots, capacity.gpus_per_worker) == (slots, gpus)
    assert capacity.devices == pytest.approx(devices)


@pytest.mark.parametrize(
    ("execution", "nodes", "message"),
    [
        ({"cpus_per_worker": 99}, [{"CPU": 2}], "needs 1 x 99 CPUs .*there are 2 CPUs and 0 GPUs"),
        ({"workers": 3}, [{"CPU": 1}, {"CPU": 1}], "needs 3 x 1 CPUs .*there are 1 CPUs and 0 GPUs, 1 CPUs"),
        ({"gpus_per_worker": 1}, [{"CPU": 2}], "needs 1 x 1 CPUs and 1 GPUs"),
    ],
)
def test_what_does_not_fit_is_refused(execution, nodes, message):
    with pytest.raises(UserError, match=message):
        find_capacity(Execution(**execution), nodes)


def test_more_than_a_gpu_is_asked_for_in_whole_ones():
    with pytest.raises(ValidationError, match=r"gpus_per_worker\n.*expected a whole number, or a fraction of one GPU"):
        Execution(gpus_per_worker=1.5)


def test_a_worker_asks_for_cores_and_gpus():
    assert Capacity(1, 1, 4, 0.0).worker_resources == {"CPU": 4.0}
    assert Capacity(1, 2, 4, 0.5).worker_resources == {"CPU": 4.0, "GPU": 0.5}
