"""The centre tracker beside the chained one: MOT17-09's first half, from nothing, for the same time.

    python benchmarks/two_trackers.py --data DIR

Each tracker makes two epochs first; the time of the second says how many make up the budget. Then it is trained anew
for as many, and scored on the other half of the sequence. Every training has the cores for itself; trackers take turns.
The centre tracker is there with identity labels (FairMOT's losses) and without (CL-MOT's).
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from search_spaces import center_mot17, hwf_grid_mot17
from study.config import Configuration
from study.data import Splits, read_splits
from study.train import EpochResult, train_trial

HALVES = ("MOT17-09[1-262]", "MOT17-09[263-525]")
SELECTION = ("MOT17-09[1-240]", "MOT17-09[271-390]")
FIGURES = ("idf1", "mota", "hota", "deta", "assa", "fp", "fn", "idsw")


def contestants() -> dict[str, Configuration]:
    """Configurations by the name in the table."""
    labels, none = center_mot17.STUDY.configurations()
    return {
        "chained": hwf_grid_mot17.STUDY.configuration({}, "chained"),
        "center, fairmot": labels,
        "center, clmot": none,
    }


def train(
    configuration: Configuration, epochs: int, seed: int, splits: Splits, cache_dir: Path
) -> tuple[list[float], Mapping[str, float]]:
    """Seconds of training of every epoch, and the figures after the last."""
    length = configuration.train.model_copy(update={"epochs": epochs, "validate_every": epochs})
    configuration = configuration.model_copy(update={"train": length})
    seconds: list[float] = []
    metrics: Mapping[str, float] = {}
    for result in train_trial(configuration, seed, splits, cache_dir=cache_dir, device=torch.device("cpu")):
        if isinstance(result, EpochResult):
            seconds.append(result.seconds.train)
            metrics = result.metrics
    return seconds, metrics


def main() -> None:
    """Print a row for every training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of MOT sequences")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="names of the table, instead of all")
    parser.add_argument("--selection", action="store_true", help="score on frames that no figure of a table comes from")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| tracker | seed | epochs | train (s) | " + " | ".join(FIGURES) + " |", flush=True)
    print("|" + "---|" * (4 + len(FIGURES)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            for name, configuration in contestants().items():
                if options.only and name not in options.only:
                    continue
                train_on, score_on = SELECTION if options.selection else HALVES
                data = {"root": options.data, "train": (train_on,), "val": (score_on,), "test": ()}
                configuration = configuration.model_copy(update={"data": configuration.data.model_copy(update=data)})
                splits = read_splits(configuration.data, Path(folder))
                seconds, _ = train(configuration, 2, seed, splits, Path(folder))
                epochs = max(1, round(60 * options.minutes / seconds[-1]))
                seconds, metrics = train(configuration, epochs, seed, splits, Path(folder))
                figures = " | ".join(f"{metrics['val_' + figure]:.3f}".removesuffix(".000") for figure in FIGURES)
                print(f"| {name} | {seed} | {epochs} | {sum(seconds):.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
