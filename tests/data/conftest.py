from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_seqinfo(folder: Path, **values: object) -> None:
    lines = "".join(f"{key}={value}\n" for key, value in values.items() if value is not None)
    (folder / "seqinfo.ini").write_text(f"[Sequence]\n{lines}")


@pytest.fixture
def make_sequence(tmp_path: Path) -> Callable[..., Path]:
    """Draws a small MOT17 sequence: one pedestrian in every frame, images of noise that differ by seed and frame."""

    def make(name: str = "A", *, frames: int = 6, size=(32, 24), seed: int = 0, gt: str | None = "", **info) -> Path:
        folder = tmp_path / "root" / name
        (folder / "img1").mkdir(parents=True)
        rng = np.random.default_rng([seed, *name.encode()])
        for frame in range(1, frames + 1):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "img1" / f"{frame:06d}.png")
        if gt is not None:
            rows = [f"{frame},1,{4 + frame},5,8,16,1,1,0.9\n" for frame in range(1, frames + 1)]
            (folder / "gt").mkdir()
            (folder / "gt" / "gt.txt").write_text(gt or "".join(rows))
        described = {"imDir": "img1", "frameRate": 30, "seqLength": frames, "imExt": ".png"}
        write_seqinfo(folder, **{**described, "imWidth": size[0], "imHeight": size[1], **info})
        return folder

    return make
