"""Configuration of a study: frozen models in which unknown keys are refused, hashed in resolved form."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)

from study.components import Component, component_in
from study.duration import Duration
from study.errors import UserError, nearest
from study.frozen import Frozen, validate
from study.sampling import Sampling
from study.search_config import AnySearch, EarlyStopping

Precision = Literal["auto", "float32", "bfloat16"]


class WeightingConfig(Component):
    """Base of a weighting's configuration. `build(tasks)` gives the `study.weighting.Weighting` module."""

    def build(self, tasks: Sequence[str]) -> Any:
        """Make the weighting for these task losses, in this order."""
        raise NotImplementedError


class TaskLossConfig(Component):
    """Base of a task loss's configuration. `build()` gives the `study.losses.TaskLoss` module."""

    num_frames: ClassVar[int] = 2
    """Frames in a row, or views of one, that it has to see."""

    name: str

    def build(self) -> Any:
        """Make the task loss."""
        raise NotImplementedError

    def identities(self) -> Literal["labels", "views"] | None:
        """How it knows an object again: by the labels of several frames, or in two views of one; None: not at all."""
        return None


class TrackerConfig(Component):
    """Base of a tracker's configuration. `build(...)` gives the `study.tracker.Tracker` module."""

    num_frames: ClassVar[int] = 2
    """Frames in a row that it has to see to learn anything."""

    def build(self, objective: "Objective", statistics: Any) -> Any:
        """Make the tracker for an objective.

        `statistics` are `study.data.BoxStatistics` of the training split; None means that every parameter and buffer
        will be loaded from a checkpoint, so nothing else needs to be read.
        """
        raise NotImplementedError


Weighting = Annotated[SerializeAsAny[WeightingConfig], component_in("study.weighting", WeightingConfig)]
TaskLoss = Annotated[SerializeAsAny[TaskLossConfig], component_in("study.losses", TaskLossConfig)]
Tracker = Annotated[SerializeAsAny[TrackerConfig], component_in("study.tracker", TrackerConfig)]


class Objective(Frozen):
    """A named list of task losses. Their order is the order of every tensor of shape [T]."""

    name: str
    task_losses: tuple[TaskLoss, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the task losses, in order."""
        return tuple(loss.name for loss in self.task_losses)

    @model_validator(mode="after")
    def _of_labels_or_of_views(self) -> Self:
        views = [loss.name for loss in self.task_losses if loss.identities() == "views"]
        labels = [loss.name for loss in self.task_losses if loss.identities() == "labels"]
        if views and labels:
            raise ValueError(
                f"{', '.join(views)} learn from two views of a frame, and {', '.join(labels)} from identity labels; an "
                "objective has either"
            )
        return self

    @model_validator(mode="after")
    def _several_with_names_of_their_own(self) -> Self:
        if len(self.tasks) < 2:
            raise ValueError(
                f"objective {self.name!r} has {len(self.tasks)} task losses, expected at least 2: nothing to weigh"
            )
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"two task losses share a name: {', '.join(self.tasks)}")
        return self


class Augmentation(Frozen):
    """Changes made to a training pair; both frames always get the same ones."""

    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    crop_probability: Annotated[float, Field(ge=0, le=1)] = 0.8
    min_scale: PositiveFloat = 0.6  # of the source window to the frame; below 1 zooms in, above 1 pads around it
    max_scale: PositiveFloat = 1.2
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.2
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    saturation: Annotated[float, Field(ge=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_scale > self.max_scale:
            raise ValueError(f"min_scale {self.min_scale} is above max_scale {self.max_scale}")
        return self


PRESET = "synthetic:"
"""What a `data.root` begins with that names a preset of drawn sequences."""


class Data(Frozen):
    """Sequences, their three disjoint splits, and how pairs are made of them.

    `root` is a folder of MOTChallenge sequences, on a disk or at an address (`s3://`, `gs://`), or `synthetic:PRESET`
    for sequences drawn from a seed. It says where the data are, not what they are: trials are told apart by the hash of
    what was read, never by the path.
    A selection is a sequence's name with an optional range of frames, 1-based and inclusive: `MOT17-09[1-240]`.
    """

    root: str | None = None
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    image_size: tuple[PositiveInt, PositiveInt] = (192, 112)  # width, height in pixels, after resizing
    min_visibility: Annotated[float, Field(ge=0, le=1)] = 0.1  # of training boxes; evaluation uses every box
    max_frame_gap: PositiveInt = 3
    augmentation: Augmentation = Augmentation()

    @property
    def folder(self) -> Path | None:
        """The root if it is a folder on a disk, neither a preset nor an address."""
        if self.root is None or self.root.startswith(PRESET) or "://" in self.root:
            return None
        return Path(self.root).expanduser()


StartFrom = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[0-9a-f]{4,16}){0,2}$")]
"""NAME of a study, NAME/CONFIGURATION_ID of one of its configurations, or with the data hash of its trials behind it.

Of the ids at least four digits; planning writes all of them out.
"""


class Train(Frozen):
    """Optimisation of one trial. `batch_size` is global: it is divided among the workers."""

    epochs: PositiveInt = 10
    batch_size: PositiveInt = 4  # samples: pairs of frames, or what else the losses have to see
    steps_per_epoch: PositiveInt | None = None  # default: one pair for every training frame
    optimizer: Literal["adamw", "adam"] = "adamw"
    lr: PositiveFloat = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 50
    final_lr_fraction: Annotated[float, Field(ge=0, le=1)] = 0.02
    clip_grad_norm: PositiveFloat | None = 1.0
    precision: Precision = "auto"  # auto: bfloat16 where it is native, see study.precision
    compile: Literal["inductor", "aot_eager"] | None = None
    """Backend of `torch.compile` for what has one shape in all batches; inductor takes minutes at the start."""
    log_every: PositiveInt = 5  # steps between rows of the `steps` table
    validate_every: PositiveInt = 1  # epochs; the last one is always validated
    start_from: StartFrom | None = None
    """Study whose trained trackers the trials start from, each from that of its own seed; see `study.starts`."""


def _gpus(number: float) -> float:
    if number > 1 and not number.is_integer():
        raise ValueError("expected a whole number, or a fraction of one GPU")
    return number


class Execution(Frozen):
    """Resources and fault handling. Not part of a configuration's identity: they change cost, not what is computed."""

    workers: PositiveInt = 1  # per trial
    cpus_per_worker: PositiveInt = 1
    gpus_per_worker: Annotated[float, Field(ge=0), AfterValidator(_gpus)] | None = None
    """Default: 1 where there are GPUs, else 0."""
    max_concurrent_trials: PositiveInt | None = None  # default: as many as fit
    max_retries: Annotated[int, Field(ge=0)] = 2
    trial_timeout_seconds: PositiveFloat | None = None
    budget_device_seconds: Duration | None = None  # "2h": a hard cap, over all attempts and runs of the study
    warm_groups: bool = True  # False: a fresh, isolated worker group for every trial
    jobs_per_group: PositiveInt | None = None  # recycle a warm group after so many trials
    keep_checkpoints: Literal["best", "all"] = "best"  # of completed trials; best: what study.housekeeping keeps
    price_per_device_hour: PositiveFloat | None = None  # to tell costs in money, of whatever currency


class Configuration(Frozen):
    """One point of the search space: everything that decides what a trial computes, but for its seed."""

    data: Data
    tracker: Tracker
    objective: Objective
    weighting: Weighting
    train: Train = Train()

    def resolved(self) -> dict[str, Any]:
        """Plain values of every setting, defaults included; `data.root` is left out (it is a place, not a setting).

        So are `train.start_from` and `train.compile` where they are not set: trials from before they were settings keep
        their names.
        """
        plain = self.model_dump(mode="json")
        del plain["data"]["root"]
        for name in ("start_from", "compile"):
            if not plain["train"][name]:
                del plain["train"][name]
        return plain

    @property
    def sampling(self) -> Sampling:
        """What tracker and task losses have to see of a video at a time."""
        losses = self.objective.task_losses
        frames = max(self.tracker.num_frames, *(loss.num_frames for loss in losses))
        return Sampling(frames, views=any(loss.identities() == "views" for loss in losses))

    @property
    def network_id(self) -> str:
        """Hash of what decides how the network is built: tracker and objective."""
        plain = self.resolved()
        return digest([plain["tracker"], plain["objective"]])

    @property
    def configuration_id(self) -> str:
        """Hash of the resolved configuration: 16 hexadecimal digits."""
        return digest(self.resolved())


STUDY_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
StudyName = Annotated[str, Field(pattern=STUDY_NAME)]
"""A name that is also that of a folder."""


class Study(Frozen):
    """A study file's `STUDY`: a base configuration, the points to try or a search for them, and seeds.

    Each of `points` maps dotted keys of the configuration to values; without points the base is the only configuration.
    A `search` suggests points instead. `early_stopping` ends trials that fall behind; they keep their rows.
    """

    name: StudyName
    description: str
    data: Data = Data()
    tracker: Tracker
    objective: Objective
    weighting: Weighting
    train: Train = Train()
    points: tuple[dict[str, Any], ...] = ({},)
    search: AnySearch | None = None
    early_stopping: EarlyStopping | None = None
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _points_or_search(self) -> Self:
        if self.search is not None and self.points != ({},):
            raise ValueError("points and search: a study has either; a search has its first points in search.start")
        return self

    def configurations(self) -> tuple[Configuration, ...]:
        """One configuration a point, in order.

        Raises:
            UserError: a key that does not exist or a value that does not fit.
        """
        return tuple(self.configuration(point, f"points[{i}]") for i, point in enumerate(self.points))

    def configuration(self, point: Mapping[str, Any], where: str) -> Configuration:
        """The base with a point's values by dotted key.

        Raises:
            UserError: a key that does not exist or a value that does not fit; begins with `where`.
        """
        base = self.model_dump(include={"data", "tracker", "objective", "weighting", "train"})
        return validate(Configuration, set_keys(base, point, where), where)


def digest(plain: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a plain value's canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trial_id(configuration_id: str, seed: int, data_hash: str) -> str:
    """Name of a trial: hash of its configuration, seed and the data it reads."""
    return digest([configuration_id, seed, data_hash])


def read_value(text: str) -> Any:
    """The plain value of a setting given as text: JSON, or else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def set_keys(base: Mapping[str, Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Copy of nested `base` with dotted keys replaced. A new `kind` drops the settings of the component before it.

    Raises:
        UserError: a key whose parent does not exist. (The last part of a key is checked when the result is validated.)
    """
    changed = dict(base)
    for key, value in values.items():
        node = changed
        *parents, last = key.split(".")
        for depth, part in enumerate(parents):
            child = node.get(part)
            if child is None and "kind" in node:
                child = {}  # a component whose kind was just set: its defaults are not here, validation knows its keys
            if not isinstance(child, Mapping):
                here = ".".join(parents[:depth]) or "a study"
                if child is None and part in node:
                    raise UserError(
                        f"{where}: {key!r}: {part} is not set in {here}; set all of it, or in the study file"
                    )
                raise UserError(f"{where}: unknown key {key!r}: no {part!r} in {here}; {nearest(part, node)}")
            node[part] = dict(child)
            node = node[part]
        if last == "kind" and node.get("kind") != value:
            node.clear()
        node[last] = value.model_dump() if isinstance(value, BaseModel) else value
    return changed
