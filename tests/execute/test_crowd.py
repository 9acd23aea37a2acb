"""What waits in the dispatcher while a study has many slots."""

import ray

from study.execute.cluster import connected
from study.execute.dispatcher import MOST_CALLS, Dispatcher


def test_the_dispatcher_answers_while_a_thousand_slots_wait_in_it():
    with connected(1):
        dispatcher = ray.remote(Dispatcher).options(num_cpus=0, max_concurrency=MOST_CALLS).remote()
        assert ray.get(dispatcher.start_group.remote("g"), timeout=60)
        slots = [dispatcher.joined.remote("g") for _ in range(1000)]
        trials = [dispatcher.result.remote(str(index), 0) for index in range(1001)]
        assert ray.get(dispatcher.is_working.remote(), timeout=60) is False
        ready, _ = ray.wait([*slots, *trials], num_returns=1, timeout=0)
        assert ready == []
