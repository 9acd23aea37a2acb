"""`python -m study.losses.hungarian_network OUT.pt`: train the network that assigns tracks to objects, in minutes.

Xu et al. 2020 ("DeepMOT"), section 4.1: a recurrent network that turns a matrix of distances into a soft assignment.
Task losses take it with `assignment="network"` and `network="OUT.pt"`; by default they take a Sinkhorn iteration.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from study.command_line import CommandParser, exit_code
from study.errors import UserError
from study.losses.assignment import GATE, distances
from study.tensors import load_parameters

HIDDEN = 256


class HungarianNetwork(nn.Module):
    """Distances to a soft assignment; 4,093,825 parameters.

    Two bidirectional recurrent networks of two layers each, the first along the rows of the matrix one after the other,
    the second along its columns; then three layers for each entry.
    """

    def __init__(self) -> None:
        super().__init__()
        self.along_rows = nn.GRU(1, HIDDEN, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True)
        self.along_columns = nn.GRU(2 * HIDDEN, HIDDEN, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True)
        self.entry = nn.Sequential(
            nn.Linear(2 * HIDDEN, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, distance: Tensor) -> Tensor:
        """Logits of the assignment.

        Args:
            distance: [B, K, N], 0 to 1.

        Returns:
            [B, K, N].
        """
        batch, rows, columns = distance.shape
        if rows * columns == 0:
            return torch.zeros_like(distance)
        first, _ = self.along_rows(distance.reshape(batch, rows * columns, 1))
        turned = first.unflatten(1, (rows, columns)).transpose(1, 2)
        second, _ = self.along_columns(turned.reshape(batch, rows * columns, -1))
        back = second.unflatten(1, (columns, rows)).transpose(1, 2)
        logits: Tensor = self.entry(back).squeeze(-1)
        return logits


def load(path: str | Path) -> HungarianNetwork:
    """A trained network, in evaluation mode, with nothing more to train.

    Raises:
        UserError: no such file, or another one.
    """
    network = HungarianNetwork()
    how = "'python -m study.losses.hungarian_network OUT.pt' trains one in minutes"
    try:
        load_parameters(network, Path(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such network of assignments; {how}") from None
    except ValueError as error:
        raise UserError(f"{path}: not a network of assignments ({error}); {how}") from None
    return network.eval().requires_grad_(False)


def example(draws: np.random.Generator, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances of drawn boxes and noisy tracks of them, some missing and some of nothing, and who is who.

    Returns:
        [rows, columns] distances, and the gated Hungarian assignment of them, 0 or 1.
    """
    size = np.array([1920.0, 1080.0])
    corner = draws.uniform(0, 0.9, (columns, 2)) * size
    if draws.random() < 0.5:  # a crowd, in which boxes overlap
        corner = corner * 0.2 + size * 0.3
    truth = np.concatenate([corner, corner + draws.uniform([30, 80], [120, 320], (columns, 2))], axis=1)
    seen = draws.permutation(columns)[: min(rows, columns)]
    noise = draws.uniform(0, 0.15) * np.tile(truth[seen, 2:] - truth[seen, :2], 2)
    tracks = truth[seen] + draws.normal(size=noise.shape) * noise
    extra = draws.uniform(0, 0.9, (rows - len(seen), 2)) * size
    ghosts = np.concatenate([extra, extra + np.array([60.0, 160.0])], axis=1)
    tracks = np.concatenate([tracks, ghosts])
    tracks = tracks[draws.permutation(rows)]
    distance = distances(torch.tensor(tracks), torch.tensor(truth), torch.tensor(size).norm()).numpy()
    return distance, hungarian(distance)


def hungarian(distance: np.ndarray) -> np.ndarray:
    """The assignment of least cost without pairs beyond the gate, 0 or 1, [K, N]."""
    found = np.zeros_like(distance)
    rows, columns = linear_sum_assignment(np.minimum(distance, GATE))
    near = distance[rows, columns] < GATE
    found[rows[near], columns[near]] = 1
    return found


def loss_of(logits: Tensor, wanted: Tensor) -> Tensor:
    """Focal loss with exponent 2, ones and zeros weighing as much as each other, averaged over entries."""
    ones = wanted.mean().clamp(0.01, 0.99)
    weights = torch.where(wanted > 0, 1 - ones, ones)
    probability = torch.where(wanted > 0, logits.sigmoid(), (-logits).sigmoid())
    likelihood = torch.where(wanted > 0, nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits))
    return -(weights * (1 - probability) ** 2 * likelihood).mean()


def train(
    *, seconds: float = math.inf, steps: float = math.inf, seed: int = 0, largest: int = 10, batch: int = 16
) -> HungarianNetwork:
    """Train on drawn matrices until the time is up, or the steps are done.

    Args:
        seconds: of wall time.
        steps: of the optimiser.
        seed: of network and matrices.
        largest: number of tracks and of objects.
        batch: matrices a step, all of one shape.
    """
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    network = HungarianNetwork()
    optimizer = torch.optim.RMSprop(network.parameters(), lr=3e-4)
    start, step = time.monotonic(), 0
    while (done := max((time.monotonic() - start) / seconds, step / steps) if seconds and steps else 1.0) < 1:
        rows, columns = (int(count) for count in draws.integers(1, largest + 1, 2))
        pairs = [example(draws, rows, columns) for _ in range(batch)]
        distance, wanted = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*pairs, strict=True))
        loss = loss_of(network(distance), wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        # Towards the end smaller steps: what is left to learn are ties.
        for group in optimizer.param_groups:
            group["lr"] = 3e-4 * (1 - 0.9 * done)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            right = ((network(distance) > 0) == (wanted > 0)).float().mean()
            print(f"step {step}, {done:.0%}: loss {loss.item():.4f}, entries right {right.item():.3f}", flush=True)
    return network.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 2 after a mistake of the user, or 130 after Ctrl-C."""
    return exit_code(lambda: _train(_parser().parse_args(arguments)), "no network was written")


def _train(options: argparse.Namespace) -> None:
    if not options.out.parent.is_dir():
        raise UserError(f"{options.out.parent}: no such folder; choose another file")
    network = train(seconds=60 * options.minutes, seed=options.seed)
    part = options.out.with_name(f".{options.out.name}.{os.getpid()}.tmp")
    try:
        torch.save(network.state_dict(), part)
        part.replace(options.out)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{options.out}: cannot be written ({error})") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"{options.out}: {sum(p.numel() for p in network.parameters()):,} parameters")


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of minutes from 0 on, found {text!r}")
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m study.losses.hungarian_network", description="Train the network that assigns tracks to objects."
    )
    parser.add_argument("out", type=Path, metavar="OUT.pt", help="where to write it")
    parser.add_argument("--minutes", type=_minutes, default=5.0, metavar="M", help="how long to train (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    return parser


if __name__ == "__main__":
    sys.exit(main())
