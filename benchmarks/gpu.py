"""Training and tracking on one device, without ray: pairs and frames a second.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --backbone small --size 128 --batch 2 --steps 3

The published chained tracker with ResNet-18 and ResNet-50 and the centre tracker with ResNet-18, on drawn sequences of
512 x 512 pixels in batches of 8. Steps are those of `study.train`, data included: `data` is the share of a step that
its batch would take by itself, which a GPU has made meanwhile; `busy` is how much of the time the GPU computes, as its
driver says ten times a second, where nvidia-ml-py is installed.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from statistics import fmean
from typing import Any

import pandas as pd
import torch

from study.config import Configuration, Data, TrackerConfig, Train
from study.data import default_cache_dir, read_splits
from study.device import device_name
from study.live_trial import LiveTrial
from study.losses.objectives import CLS_REG_REID, FAIRMOT
from study.memory import PeakMemory
from study.tracker import center, chained
from study.tracking import track_frames
from study.weighting import hwf

WARM_UP_STEPS = 5
SAMPLE_SECONDS = 0.1
PRECISIONS = ("float32", "bfloat16")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="default cuda")
    parser.add_argument("--backbone", nargs="+", default=["resnet18", "resnet50"], help="default resnet18 resnet50")
    parser.add_argument("--size", type=int, default=512, metavar="PIXELS", help="default 512")
    parser.add_argument("--batch", type=int, default=8, metavar="PAIRS", help="default 8")
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="timed ones, default 50")
    parser.add_argument("--compile", metavar="BACKEND", help="train.compile; default: not compiled")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("gpu: there is no CUDA device; --device cpu for another", file=sys.stderr)
        return 2
    rows = []
    for tracker, name in trackers(options.backbone):
        for precision in PRECISIONS:
            rows.append({"tracker": name, "precision": precision, **measure(tracker, precision, device, options)})
            print(rows[-1], flush=True)
    print(f"{device_name(device)}, torch {torch.__version__}, {options.size} x {options.size}, batch {options.batch}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f", na_rep="-"))
    return 0


def trackers(backbones: list[str]) -> Iterator[tuple[TrackerConfig, str]]:
    for backbone in backbones:
        yield chained.Config.paper(backbone=backbone), f"chained, {backbone}"
    yield center.Config(backbone=backbones[0], embedding_channels=64), f"center, {backbones[0]}"


def measure(
    tracker: TrackerConfig, precision: str, device: torch.device, options: argparse.Namespace
) -> dict[str, float]:
    """Figures of one tracker."""
    settings: dict[str, Any] = {
        "epochs": 1,
        "batch_size": options.batch,
        "steps_per_epoch": WARM_UP_STEPS + options.steps,
        "precision": precision,
        "compile": options.compile,
    }
    configuration = Configuration(
        data=Data(root="synthetic:tiny", image_size=(options.size, options.size)),
        tracker=tracker,
        objective=FAIRMOT if isinstance(tracker, center.Config) else CLS_REG_REID,
        weighting=hwf.Config(),
        train=Train(**settings),
    )
    cache_dir = default_cache_dir()
    memory = PeakMemory(device)
    trial = LiveTrial(configuration, 0, read_splits(configuration.data, cache_dir), cache_dir, device)
    trial.epoch = 1
    trial.tracker.train()
    steps = trial.steps()
    for _ in islice(steps, WARM_UP_STEPS):
        pass
    with sampled(device) as busy:
        training = seconds(device, lambda: [None for _ in steps]) / options.steps
    data = seconds(device, lambda: [batch.on(device) for batch, _ in map(trial.host_batch, range(options.steps))])
    trial.tracker.eval()
    (clip, *_) = trial.clips["val"]
    frames = trial.cache.frames(clip)

    def track() -> None:
        track_frames(trial.tracker, frames, clip.sequence.image_size, device)

    track()
    tracking = seconds(device, track)
    return {
        "pairs/s": options.batch / training,
        "ms a step": 1000 * training,
        "data": data / options.steps / training,
        "busy": fmean(busy) / 100 if busy else float("nan"),
        "GiB": memory.peak_bytes() / 1024**3,
        "frames/s tracked": len(frames) / tracking,
    }


def seconds(device: torch.device, work: Any) -> float:
    """Wall time of something, until the device has done it."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@contextmanager
def sampled(device: torch.device) -> Iterator[list[int]]:
    """Percent of the time that a GPU computes, sampled as long as the context lasts; nothing for other devices."""
    found: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            found.append(torch.cuda.utilization(device))

    if device.type != "cuda" or find_spec("pynvml") is None:
        yield found
        return
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
