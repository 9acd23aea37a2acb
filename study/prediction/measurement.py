"""What a probe found, and the file that keeps it."""

import json
from pathlib import Path

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from study.config import Configuration, digest
from study.files import write_file
from study.frozen import Frozen
from study.prediction.conditions import Conditions
from study.prediction.costs import UnitCosts
from study.prediction.kinds import kind_of
from study.provenance import code_hash

_FORMAT = 1
"""Of the files and of what is measured; those of another format are measured again."""


class Measurement(Frozen):
    """Unit costs as `UnitCosts` has them, and what they were measured on.

    `slowed` is how many times as long the steps took by the clock on the wall, if the processor's timed them.
    """

    startup_seconds: NonNegativeFloat
    step_seconds: PositiveFloat
    overhead_seconds_per_epoch: NonNegativeFloat
    eval_seconds_per_frame: PositiveFloat
    model_bytes: NonNegativeInt
    state_bytes: NonNegativeInt
    group_startup_seconds: NonNegativeFloat
    steps: PositiveInt
    frames: PositiveInt
    beside: PositiveInt
    slowed: PositiveFloat

    def costs(self, devices: float) -> UnitCosts:
        """Unit costs of trials whose workers hold so many devices together."""
        names = [name for name in UnitCosts.__dataclass_fields__ if name in type(self).model_fields]
        basis = f"a probe of {self.steps} steps and {self.frames} frames, {self.beside} at a time"
        return UnitCosts(**{name: getattr(self, name) for name in names}, devices=devices, basis=basis)


class KeptProbes:
    """Files of measurements in a cache folder, named after all that decides what they hold.

    Args:
        cache_dir: they lie in its folder `probes`.
        conditions: under which trials are to run.
        data_hash: of their data.
    """

    def __init__(self, cache_dir: Path, conditions: Conditions, data_hash: str) -> None:
        self._folder, self._conditions, self._data_hash = cache_dir / "probes", conditions, data_hash

    def read(self, configuration: Configuration) -> Measurement | None:
        """None if there is no file, or none that can be read: it is measured again then."""
        try:
            return Measurement.model_validate_json(self._path(configuration).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, configuration: Configuration, measurement: Measurement) -> None:
        """Keep a measurement, in place of an earlier one.

        Raises:
            UserError: the cache folder cannot be written.
        """
        text = json.dumps(measurement.model_dump(), indent=1)
        write_file(self._path(configuration), text.encode())

    def _path(self, configuration: Configuration) -> Path:
        on = self._conditions
        kind = kind_of(configuration.resolved())
        place = [on.workers, on.devices_per_worker, on.device_name, on.precision, on.beside]
        key = digest([_FORMAT, kind, self._data_hash, *place])
        return self._folder / f"{key}-{code_hash(configuration)}.json"
