"""Time and memory of a training step under every weighting, relative to fixed loss weights (`hwf`) on the same tracker.

    python benchmarks/step_time.py
    python benchmarks/step_time.py --memory

A step is forward, weighting, backward, clip and optimiser on a batch that lies ready. All methods take turns in one
process and train one network, at learning rate 0: every one sees the same batches and the same parameters. A method's
turn is divided by the median of the turns that `hwf` makes between the others in the same round, so that whatever slows
the machine cancels. The row of `hwf` is that of one more `hwf`: what figures differ by where nothing differs. Below
stand two other ways to Gramian methods: a backward of the whole network for every task (LibMTL's), and
`torchjd.autojac`.

On a CPU with one thread, time is that of the processor: other processes take turns with this one. `+-` is 1.57
interquartile ranges over the root of the number of rounds, about the 95 % interval of a median (McGill et al. 1978).

With `--memory` every method makes its steps in fresh processes; what the network, its optimiser and the steps take at
most is compared.
"""

import argparse
import gc
import importlib
import math
import multiprocessing
import pkgutil
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median, quantiles
from typing import get_args

import psutil
import torch
from torch import Tensor, nn
from torchjd.aggregation import MGDA, GramianWeightedAggregator, MGDAWeighting, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward

import study.weighting
from search_spaces import hwf_grid, hwf_grid_mot17
from study.batch import FrameBatch
from study.config import Data, Precision, TrackerConfig, Train, WeightingConfig
from study.data import FrameCache, box_statistics, default_cache_dir, read_splits
from study.data.samples import Samples
from study.memory import PeakMemory
from study.step import Stepper
from study.tracker import Tracker, chained
from study.weighting import Weighting, gradnorm, hwf, mgda

OBJECTIVE, TRAIN = hwf_grid.STUDY.objective, hwf_grid.STUDY.train
SEQUENCES = 8  # of the preset, that batches are drawn from
BATCHES = 24
WARM_UP_STEPS = 20  # of hwf: until then no gradient passes the regression tower's last layer
TURNS_BETWEEN = 4  # of other methods, between two turns of hwf
MEMORY_STEPS = 6
MEMORY_RUNS = 3
MEMORY_TARGET = 1.15


@dataclass(frozen=True)
class Setting:
    """A tracker, the size of its images, and how much of it is measured."""

    tracker: TrackerConfig
    image_size: tuple[int, int]
    rounds: int
    steps: int  # a turn
    attention: bool = False


def settings() -> dict[str, Setting]:
    small, video = hwf_grid.STUDY, hwf_grid_mot17.STUDY
    resnet = chained.Config(backbone="resnet18")
    attentive = {"attention": True}
    return {
        "small": Setting(small.tracker, small.data.image_size, 40, 3),
        "small_attention": Setting(small.tracker.model_copy(update=attentive), small.data.image_size, 40, 3, True),
        "small_320": Setting(video.tracker, video.data.image_size, 16, 3),
        "resnet18": Setting(resnet, (320, 192), 10, 1),
        "resnet18_attention": Setting(resnet.model_copy(update=attentive), (320, 192), 10, 1, True),
    }


def weightings() -> dict[str, WeightingConfig]:
    """Every weighting with its defaults, and places other than the default one for the two that show the difference."""
    names = [module.name for module in pkgutil.iter_modules(study.weighting.__path__)]
    modules = {name: importlib.import_module(f"study.weighting.{name}") for name in names}
    configs = {name: module.Config() for name, module in modules.items() if hasattr(module, "Config")}
    configs |= {
        f"gradnorm@{place}": gradnorm.Config(gramian_at=place) for place in ("shared_features", "shared_parameters")
    }
    configs |= {f"mgda@{place}": mgda.Config(gramian_at=place) for place in ("last_shared_layer", "shared_parameters")}
    return dict(sorted(configs.items()))


Step = Callable[[FrameBatch], None]


class Ours:
    """A step as trials make it."""

    def __init__(self, tracker: Tracker, weighting: WeightingConfig, device: torch.device, train: Train) -> None:
        self.weighting: Weighting = weighting.build(OBJECTIVE.tasks).to(device)
        self.stepper = Stepper(train, tracker, self.weighting, OBJECTIVE.tasks, device)

    def __call__(self, batch: FrameBatch) -> None:
        self.stepper(batch, 1.0, self.stepper.config.lr, "benchmark")


class Theirs:
    """Forward, clip and optimiser of `Ours` around another way to the gradient."""

    def __init__(self, tracker: Tracker, device: torch.device, train: Train) -> None:
        self.stepper = Ours(tracker, hwf.Config(), device, train).stepper
        self.tracker, self.device = tracker, device
        for group in self.stepper.optimizer.param_groups:
            group["lr"] = train.lr

    def __call__(self, batch: FrameBatch) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.stepper.dtype == torch.bfloat16):
            output = self.tracker(batch)
        self.stepper.optimizer.zero_grad(set_to_none=True)
        self.differentiate([output.losses[task].float() for task in OBJECTIVE.tasks], output.shared_features)
        nn.utils.clip_grad_norm_(self.stepper.parameters, TRAIN.clip_grad_norm or math.inf)
        self.stepper.optimizer.step()

    def differentiate(self, losses: list[Tensor], features: list[Tensor]) -> None:
        raise NotImplementedError


class WholeBackwards(Theirs):
    """LibMTL's `AbsWeighting._compute_grad` and `_reset_grad` (2d842d6), over all parameters: T backwards."""

    weighting = MGDAWeighting()

    def differentiate(self, losses: list[Tensor], features: list[Tensor]) -> None:  # noqa: ARG002
        parameters, rows = self.stepper.parameters, []
        for i, loss in enumerate(losses):
            loss.backward(retain_graph=i + 1 < len(losses))
            rows.append(
                torch.cat([torch.zeros_like(p).view(-1) if p.grad is None else p.grad.view(-1) for p in parameters])
            )
            self.stepper.optimizer.zero_grad(set_to_none=True)
        jacobian = torch.stack(rows)
        combined = self.weighting(jacobian @ jacobian.T) @ jacobian
        for parameter, part in zip(parameters, combined.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter).clone()


class Autojac(Theirs):
    """torchjd's Jacobians of the parameters behind the features, as its example on multi-task learning takes them."""

    def __init__(
        self, tracker: chained.ChainedTracker, aggregator: GramianWeightedAggregator, device: torch.device, train: Train
    ) -> None:
        super().__init__(tracker, device, train)
        self.aggregator = aggregator
        self.shared = [*tracker.backbone.parameters(), *tracker.fpn.parameters()]
        self.heads_meet = tracker.config.attention

    def differentiate(self, losses: list[Tensor], features: list[Tensor]) -> None:
        # One task after the other: vmap over group normalisation's backward fails in bfloat16.
        mtl_backward(losses, features, shared_params=self.shared, retain_graph=self.heads_meet, parallel_chunk_size=1)
        jac_to_grad(self.shared, self.aggregator)


OTHER_WAYS = ("LibMTL's way: mgda", "torchjd.autojac: mgda", "torchjd.autojac: upgrad")


def make_step(method: str, tracker: Tracker, device: torch.device, train: Train) -> Ours | Theirs:
    if method == OTHER_WAYS[0]:
        return WholeBackwards(tracker, device, train)
    if method in OTHER_WAYS:
        assert isinstance(tracker, chained.ChainedTracker)
        return Autojac(tracker, MGDA() if method.endswith("mgda") else UPGrad(), device, train)
    return Ours(tracker, weightings()[method], device, train)


def target(method: str, setting: Setting) -> float | None:
    """Bound of the step time relative to hwf; None where none is set."""
    if method in OTHER_WAYS or method == "hwf":
        return None
    if method == "famo":
        return 1.35
    weighting = weightings()[method].build(OBJECTIVE.tasks)
    if not weighting.needs_gramian:
        return 1.02
    if weighting.gramian_at != "shared_features":
        return None
    return 1.25 if setting.attention else 1.10


class Batches:
    """Batches that lie ready on the device, and the statistics of their boxes."""

    def __init__(self, setting: Setting, count: int, device: torch.device) -> None:
        data: Data = hwf_grid.STUDY.data.model_copy(update={"image_size": setting.image_size})
        clips = read_splits(data, default_cache_dir()).train[:SEQUENCES]
        cache = FrameCache.open(clips, image_size=data.image_size, cache_dir=default_cache_dir())
        pairs = Samples(clips, cache, data, seed=0)
        size = TRAIN.batch_size
        self.statistics = box_statistics(clips, data.image_size, data.min_visibility)
        self.batches = [pairs.training_batch(1, range(i * size, (i + 1) * size)).on(device) for i in range(count)]

    def tracker(self, setting: Setting, device: torch.device) -> Tracker:
        """As trials make it."""
        torch.manual_seed(0)
        tracker: Tracker = setting.tracker.build(OBJECTIVE, self.statistics).to(device)
        return tracker.to(memory_format=torch.channels_last) if device.type == "cuda" else tracker


def seconds(step: Step, batches: Sequence[FrameBatch], device: torch.device) -> float:
    """Of a step: the processor's where one thread does everything, else those of the clock on the wall."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    synchronise(device)
    start = clock()
    for batch in batches:
        step(batch)
    synchronise(device)
    return (clock() - start) / len(batches)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Times:
    """Ratios to hwf by method, one a round, and the seconds of a step of hwf."""

    ratios: dict[str, list[float]]
    reference: float
    parameters: int
    dtype: torch.dtype


def measure_time(
    setting: Setting, methods: Sequence[str], rounds: int, device: torch.device, precision: Precision
) -> Times:
    data = Batches(setting, BATCHES, device)
    tracker = data.tracker(setting, device)
    train = TRAIN.model_copy(update={"precision": precision})
    warm_up = Ours(tracker, hwf.Config(), device, train)
    for i in range(WARM_UP_STEPS):
        warm_up(data.batches[i % BATCHES])
    standing = train.model_copy(update={"lr": 0.0})
    reference = Ours(tracker, hwf.Config(), device, standing)
    steps = {method: make_step(method, tracker, device, standing) for method in methods}
    for step in (reference, *steps.values()):
        step.stepper.optimizer.state.update(warm_up.stepper.optimizer.state)  # one Adam: as warm in every cache
        for i in range(2):
            step(data.batches[i])
            step.stepper.weighting.after_epoch()  # DWA weighs from the third epoch on
    ratios: dict[str, list[float]] = defaultdict(list)
    references: list[float] = []
    order, draw = list(methods), random.Random(0)
    gc.collect()
    gc.disable()  # falls on whoever is at it
    for number in range(rounds):
        batches = [data.batches[(number * setting.steps + i) % BATCHES] for i in range(setting.steps)]
        draw.shuffle(order)
        found: dict[str, float] = {}
        beside = []
        for place, method in enumerate(order):
            if place % TURNS_BETWEEN == 0:
                beside.append(seconds(reference, batches, device))
            found[method] = seconds(steps[method], batches, device)
        beside.append(seconds(reference, batches, device))
        for method, turn in found.items():
            ratios[method].append(turn / median(beside))
        references += beside
        gc.collect()
    gc.enable()
    parameters = sum(parameter.numel() for parameter in tracker.parameters())
    return Times(ratios, median(references), parameters, reference.stepper.dtype)


def measure_memory(name: str, method: str, device: torch.device, threads: int, precision: Precision) -> int:
    """Bytes that network, optimiser and steps take at most; run in a fresh process."""
    prepare(device, threads)
    setting = settings()[name]
    data = Batches(setting, BATCHES, device)
    gc.collect()
    start = psutil.Process().memory_info().rss if device.type == "cpu" else torch.cuda.memory_allocated(device)
    memory = PeakMemory(device)
    step = make_step(method, data.tracker(setting, device), device, TRAIN.model_copy(update={"precision": precision}))
    for batch in data.batches[:MEMORY_STEPS]:
        step(batch)
    return memory.peak_bytes() - start


def prepare(device: torch.device, threads: int) -> None:
    """What `study.train` sets, and the number of threads."""
    torch.set_num_threads(threads)
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def row(method: str, found: Sequence[float], bound: float | None) -> str:
    middle = median(found)
    low, _, high = quantiles(found, n=4, method="inclusive") if len(found) > 1 else [middle] * 3
    verdict = "" if bound is None else "reached" if middle <= bound else "**missed**"
    cells = [
        method,
        f"{middle:.3f}",
        f"{1.57 * (high - low) / math.sqrt(len(found)):.3f}",
        f"{low:.3f} to {high:.3f}",
        "" if bound is None else f"{bound:.2f}",
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def print_table(title: str, rows: Iterable[str]) -> None:
    print(f"\n{title}\n\n| method | median | +- | quartiles | target | |\n|---|---|---|---|---|---|")
    print("\n".join(rows), flush=True)


def main() -> None:
    known = [*weightings(), *OTHER_WAYS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trackers", nargs="+", choices=settings(), default=list(settings()))
    parser.add_argument("--methods", nargs="+", choices=known, default=known, metavar="METHOD", help=", ".join(known))
    parser.add_argument(
        "--rounds", type=int, help="turns of every method, default 10 to 40 by tracker; processes, with --memory: 3"
    )
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--precision", choices=get_args(Precision), default=TRAIN.precision)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of time")
    options = parser.parse_args()
    prepare(options.device, options.threads)
    for name in options.trackers:
        setting = settings()[name]
        size = "{} x {}".format(*setting.image_size)
        if options.memory:
            peaks: dict[str, list[int]] = defaultdict(list)
            server = multiprocessing.get_context("forkserver")  # imports once what every process needs
            with ProcessPoolExecutor(1, mp_context=server, max_tasks_per_child=1) as fresh:
                for _ in range(options.rounds or MEMORY_RUNS):
                    for method in dict.fromkeys(["hwf", *options.methods]):
                        arguments = (name, method, options.device, options.threads, options.precision)
                        peaks[method].append(fresh.submit(measure_memory, *arguments).result())
            reference = median(peaks["hwf"])
            title = f"{name} ({size}), {options.device}: peak memory, 1 = {reference / 2**20:.0f} MiB"
            bounds = {method: None if method in OTHER_WAYS or method == "hwf" else MEMORY_TARGET for method in peaks}
            print_table(title, (row(m, [p / reference for p in found], bounds[m]) for m, found in peaks.items()))
        else:
            rounds = options.rounds or setting.rounds
            times = measure_time(setting, options.methods, rounds, options.device, options.precision)
            kind = str(times.dtype).removeprefix("torch.")
            title = (
                f"{name} ({size}, {times.parameters / 1e6:.2f} M parameters, {kind}), {options.device}: "
                f"step time, {rounds} rounds, 1 = {1e3 * times.reference:.1f} ms"
            )
            print_table(title, (row(m, times.ratios[m], target(m, setting)) for m in options.methods))


if __name__ == "__main__":
    main()
