"""Soft assignments against the gated Hungarian one, on the objects of real frames and noisy tracks of them.

    python benchmarks/assignment.py --data DIR [--network OUT.pt]

A track is an object's box with every coordinate moved by a normal draw whose standard deviation is a share of the box's
width or height. A frame is right if all pairs are: entries of the soft assignment above one half are those of the
Hungarian assignment without pairs beyond the gate. The deep Hungarian network is measured too if a file is given,
on every `--every`-th frame: it takes its time.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from study.data import read_sequence
from study.losses.assignment import GATE, distances, sinkhorn
from study.losses.hungarian_network import hungarian, load

NOISE = (0.0, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Frame:
    """Boxes [N, 4] of the objects that are evaluated, and the size (width, height) of the image."""

    boxes: np.ndarray
    size: np.ndarray


def read(root: Path) -> list[Frame]:
    """Every frame with an object, of every sequence."""
    found = []
    for folder in sorted(path for path in root.iterdir() if (path / "gt" / "gt.txt").is_file()):
        sequence = read_sequence(folder)
        size, truth = np.array(sequence.image_size, float), sequence.ground_truth
        assert truth is not None
        boxes, numbers = truth.boxes_xyxy[truth.evaluated], truth.frames[truth.evaluated]
        found += [Frame(boxes[numbers == number], size) for number in np.unique(numbers)]
    return found


def nearest(distance: Tensor) -> Tensor:
    """What needs no assignment: each track takes the object nearest to it, within the gate."""
    taken = torch.zeros_like(distance).scatter(1, distance.argmin(dim=1, keepdim=True), 1.0)
    return taken * (distance < GATE)


def by_sinkhorn(distance: Tensor) -> Tensor:
    """The default of `dmota` and `dmotp`."""
    rows, columns = (torch.ones(count, dtype=torch.bool) for count in distance.shape)
    return sinkhorn(distance, rows, columns)


def main() -> None:
    """Print the share of frames that are right, a way to assign a row, a noise a column."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of MOT sequences")
    parser.add_argument("--network", type=Path, help="file of a deep Hungarian network")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    frames = read(options.data)[:: options.every]
    ways: dict[str, Callable[[Tensor], Tensor]] = {"Sinkhorn": by_sinkhorn, "nearest object": nearest}
    if options.network is not None:
        network = load(options.network)
        ways["deep Hungarian network"] = lambda distance: network(distance[None].float())[0].sigmoid()
    print(f"{len(frames)} frames with {np.mean([len(frame.boxes) for frame in frames]):.1f} objects\n")
    print("| assignment | " + " | ".join(f"{noise:.0%} noise" for noise in NOISE) + " | ms a frame |")
    print("|" + "---|" * (2 + len(NOISE)))
    for name, assign in ways.items():
        draws = np.random.default_rng(0)
        shares, seconds = [], 0.0
        for noise in NOISE:
            right = 0
            for frame in frames:
                boxes = frame.boxes
                sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
                tracks = boxes + draws.normal(size=boxes.shape) * noise * sizes
                distance = distances(torch.tensor(tracks), torch.tensor(boxes), torch.tensor(frame.size).norm())
                start = time.perf_counter()
                with torch.inference_mode():
                    found = assign(distance) > 0.5
                seconds += time.perf_counter() - start
                right += np.array_equal(found.numpy(), hungarian(distance.numpy()) > 0)
            shares.append(f"{right / len(frames):.1%}")
        print(f"| {name} | {' | '.join(shares)} | {1e3 * seconds / len(frames) / len(NOISE):.1f} |", flush=True)


if __name__ == "__main__":
    main()
