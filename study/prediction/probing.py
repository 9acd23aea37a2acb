"""Measuring every kind of trial of which nothing is known."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from study.config import Configuration
from study.prediction.kinds import kind_of
from study.prediction.measurement import KeptProbes, Measurement
from study.prediction.predictor import Predictor
from study.prediction.probe import ProbeError, Probes

if TYPE_CHECKING:
    from study.data import Splits

_BUSY = 1.3
"""From this slowing on it is told that the machine does other work, which the prediction leaves out."""


def probe_unknown(
    predictor: Predictor,
    configurations: Sequence[Configuration],
    splits: "Splits",
    cache_dir: Path,
    tell: Callable[[str], None],
) -> Predictor:
    """Measure each kind of trial among these once, if nothing is known of it; what is found is kept in the cache.

    Args:
        predictor: what is known already.
        configurations: of trials.
        splits: their data.
        cache_dir: folder of decoded frames and of probes.
        tell: called with lines for whoever waits.

    Returns:
        A predictor that knows these kinds too, but for those that do not run, and for all on machines elsewhere.
    """
    on = predictor.conditions
    unknown = {kind_of(one.resolved()): one for one in configurations if predictor.costs(one) is None}
    if on.elsewhere is not None or not unknown:
        return predictor
    assert on.capacity is not None
    assert on.beside is not None
    kept = KeptProbes(cache_dir, on, splits.data_hash)
    measured: dict[str, Measurement] = {}
    with Probes(on.capacity, on.beside, cache_dir) as probes:
        for index, (kind, configuration) in enumerate(unknown.items(), 1):
            name = f"probe {index} of {len(unknown)}, {configuration.weighting.kind()}"
            begun = time.monotonic()
            try:
                found = probes.measure(configuration, splits)
            except ProbeError as error:
                tell(f"{name}: stays unknown: {error}")
                continue
            kept.write(configuration, found)
            measured[kind] = found
            busy = f"; other work made it {found.slowed:.1f} times as long" if found.slowed > _BUSY else ""
            tell(
                f"{name}: {found.step_seconds:.3g} s a step, {found.eval_seconds_per_frame:.3g} s a frame "
                f"({time.monotonic() - begun:.0f} s{busy})"
            )
    return predictor.knowing(measured)
