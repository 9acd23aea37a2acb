"""How a study searches: who suggests configurations, what is stopped early, and what runs again under fresh seeds."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from study.frozen import Frozen
from study.space import Simplex, Space, Weights, refuse_overlaps

Sampler = Literal["random", "tpe", "gp", "cmaes", "nsgaii"]

DEVICE_SECONDS = "device_seconds"
"""The one objective that is no metric: what a trial costs."""


class Search(Frozen):
    """Suggests configurations one after the other, each from the results of those before, by a sampler of Optuna.

    A suggestion runs under the study's first seed. When the search is over, the best `finalists` run under the other
    seeds too: the best of many single trials is partly luck, so figures to report come from seeds that chose nothing.

    Attributes:
        space: dimensions by dotted key of the configuration (`study.space`).
        num_configurations: how many are tried, starting points included.
        sampler: random; tree-structured Parzen estimator; Gaussian process; CMA-ES; NSGA-II.
        objectives: what is to be good: names of validation metrics, or `device_seconds`.
        start: points that are tried first, such as those of Table I; as in `Study.points`.
        sampler_seed: of the suggestions. With one trial at a time they are the same in every run.
        finalists: how many of the best run under the study's other seeds.
    """

    kind: Literal["search"] = "search"
    space: Annotated[Space, Field(min_length=1)]
    num_configurations: PositiveInt
    sampler: Sampler = "tpe"
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("val_mota",)
    start: tuple[dict[str, Any], ...] = ()
    sampler_seed: Annotated[int, Field(ge=0)] = 0
    finalists: PositiveInt = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        refuse_overlaps(self.space)
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives: one stands there twice: {', '.join(self.objectives)}")
        if self.sampler == "cmaes" and len(self.objectives) > 1:
            raise ValueError("sampler: cmaes has one objective; choose tpe, nsgaii, gp or random for several")
        if len(self.start) > self.num_configurations:
            raise ValueError(
                f"start has {len(self.start)} points, and num_configurations is {self.num_configurations}; raise it"
            )
        return self


class Population(Frozen):
    """Population-based training of the loss weights (Jaderberg et al. 2017): a bridge between fixed and learned.

    All members train side by side for `epochs_per_generation`. Then the worst take over the network of one of the best
    and vary its loss weights; the others go on as they are. What comes out is a schedule of loss weights
    (`study.weighting.hwf_schedule`), and the best one runs again under the study's other seeds.

    Deviations: generations are synchronous, so that what is tried depends on the seed and never on timing; a loss
    weight varies by factor^u with u uniform in [-1, 1], not by one of two factors, which often leaves all ratios alike.

    Attributes:
        size: members.
        epochs_per_generation: epochs between two exchanges.
        weights: space of the loss weights of the first generation.
        start: loss weights of the first members, by task.
        metric: by which members are compared, a validation metric.
        truncation: share of the members that is replaced by as many of the best.
        factor: by how much at most a varied loss weight is multiplied or divided.
        resample_probability: of drawing new loss weights from the space instead.
        sampler_seed: of draws and variations.
    """

    kind: Literal["population"] = "population"
    size: Annotated[int, Field(ge=2)] = 6
    epochs_per_generation: PositiveInt = 1
    weights: Annotated[Simplex | Weights, Field(discriminator="kind")] = Simplex()
    start: tuple[dict[str, float], ...] = ()
    metric: str = "val_mota"
    truncation: Annotated[float, Field(gt=0, le=0.5)] = 0.34
    factor: Annotated[float, Field(gt=1)] = 1.25
    resample_probability: Annotated[float, Field(ge=0, le=1)] = 0.1
    sampler_seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.start) > self.size:
            raise ValueError(f"start has {len(self.start)} members, and size is {self.size}; raise it")
        return self


class ASHA(Frozen):
    """Asynchronous successive halving (Li et al. 2020).

    At `grace_epochs`, and at every `reduction_factor` times as many, a trial pauses unless it is among the best
    1 / reduction_factor of those that came so far. It goes on from its checkpoint as soon as it is.

    Attributes:
        metric: validation metric.
        grace_epochs: epochs that every trial gets.
        reduction_factor: one of so many goes on.
        promote: False stops trials for good instead, as Ray Tune's ASHA does; the first to come then always go on.
    """

    kind: Literal["asha"] = "asha"
    metric: str = "val_mota"
    grace_epochs: PositiveInt = 1
    reduction_factor: Annotated[float, Field(gt=1)] = 3.0
    promote: bool = True


class Median(Frozen):
    """Median stopping rule (Golovin et al. 2017): stops a trial whose best is below the median of the others' means."""

    kind: Literal["median"] = "median"
    metric: str = "val_mota"
    grace_epochs: PositiveInt = 1
    min_trials: PositiveInt = 3  # others that must have come as far


AnySearch = Annotated[Search | Population, Field(discriminator="kind")]
EarlyStopping = Annotated[ASHA | Median, Field(discriminator="kind")]
