"""Presets of synthetic data, and drawing them as MOTChallenge sequences, once and whole.

ROOT/SEQUENCE/img1/000001.png ...   lossless, so that any machine decodes the same pixels
ROOT/SEQUENCE/gt/gt.txt             frame, id, x, y, w, h, flag, class, visibility; x and y are 0-based pixel edges
ROOT/SEQUENCE/seqinfo.ini
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image

from study.data.street import Difficulty, Row, Street
from study.errors import UserError, nearest

VERSION = 4  # raise it when any preset's pixels or annotations change


@dataclass(frozen=True)
class Preset:
    """A data set to draw. Splits are whole sequences; val and test show scenes and people that train does not.

    Attributes:
        name: also the prefix of its sequences' names.
        lengths: frames of each sequence, train first, then val, then test.
        num_val: sequences of the val split.
        num_test: sequences of the test split.
        size: width, height in pixels.
        difficulty: what is drawn.
        seed: another seed gives other scenes and people.
    """

    name: str
    lengths: tuple[int, ...]
    num_val: int
    num_test: int
    size: tuple[int, int] = (192, 112)
    difficulty: Difficulty = Difficulty()  # noqa: RUF009 (immutable)
    seed: int = 0

    @property
    def sequences(self) -> tuple[str, ...]:
        """Names of all sequences, in order."""
        return tuple(f"{self.name}-{number:02d}" for number in range(1, len(self.lengths) + 1))

    @property
    def train(self) -> tuple[str, ...]:
        """Selection of the train split."""
        return self.sequences[: len(self.lengths) - self.num_val - self.num_test]

    @property
    def val(self) -> tuple[str, ...]:
        """Selection of the val split."""
        return self.sequences[len(self.train) : len(self.train) + self.num_val]

    @property
    def test(self) -> tuple[str, ...]:
        """Selection of the test split."""
        return self.sequences[len(self.train) + self.num_val :]


_EASY = Difficulty(
    people=4.0,
    speed=(0.4, 1.1),
    plain_share=0.9,
    group_share=0.1,
    camera_motion=0.0,
    occluders=0,
    distractors=0,
    clutter=0,
    light_spread=0.03,
    shadow=0.0,
    mirroring_share=0.0,
)
_HARD = Difficulty(
    people=8.0,
    speed=(0.6, 1.9),
    plain_share=0.35,
    group_share=0.5,
    camera_motion=1.4,
    occluders=3,
    distractors=3,
    clutter=5,
    light_spread=0.25,
    shadow=0.4,
    noise=6,
    blurred_share=0.4,
    mirroring_share=0.5,
)
_LENGTHS = (25,) * 132
"""Many short sequences: what generalises to other streets is the number of streets, not of frames."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("easy", _LENGTHS, 16, 16, difficulty=_EASY),
        Preset("default", _LENGTHS, 16, 16),
        Preset("hard", _LENGTHS, 16, 16, difficulty=_HARD),
        Preset("tiny", (24, 24, 16, 16), 1, 1, size=(128, 80), difficulty=Difficulty(people=4.0)),
    )
}


def draw(preset: str | Preset, root: Path, *, overwrite: bool = False) -> Path:
    """Draw all sequences of a preset into a folder, whole or not at all.

    Args:
        preset: a preset or the name of one.
        root: a folder that does not exist yet or is empty. If another process fills it meanwhile, its work is kept.
        overwrite: replace a folder of sequences drawn before.

    Returns:
        `root`.

    Raises:
        UserError: an unknown preset, or a folder that holds something else or cannot be written.
    """
    if isinstance(preset, str):
        preset = find_preset(preset)
    root = Path(root)
    _check_target(root, overwrite)
    part = root.absolute().with_name(f".{root.absolute().name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{part.parent}: cannot be written ({error.strerror}); choose another folder") from None
    try:
        for index, name in enumerate(preset.sequences):
            _draw_sequence(preset, index, part / name)
        if overwrite and root.exists():
            shutil.rmtree(root)
        try:
            part.rename(root)
        except OSError:
            if not root.is_dir():
                raise
    except OSError as error:
        raise UserError(
            f"{root}: cannot be written ({error.strerror}); free the disk or choose another folder"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return root


def ensure_drawn(preset_name: str, cache_dir: Path) -> Path:
    """Folder of a preset's sequences, drawn when first asked for; safe when several processes ask at once.

    Args:
        preset_name: a key of `PRESETS`.
        cache_dir: holds one folder for each preset and version.

    Raises:
        UserError: an unknown preset, or a folder that cannot be written.
    """
    preset = find_preset(preset_name)
    root = Path(cache_dir) / f"synthetic-{preset.name}-v{VERSION}"
    if root.is_dir():
        return root
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_name(f".{root.name}.lock")):
            return root if root.is_dir() else draw(preset, root)
    except OSError as error:
        raise UserError(f"{cache_dir}: cannot be written ({error.strerror}); choose another cache folder") from None


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        UserError: there is none; with the nearest.
    """
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; {nearest(name, PRESETS)}")
    return PRESETS[name]


def _check_target(root: Path, overwrite: bool) -> None:
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: is a file; expected a new or empty folder")
    entries = list(root.iterdir()) if root.is_dir() else []
    if entries and not overwrite:
        raise UserError(f"{root}: not empty; choose a new folder, or pass --overwrite to replace its sequences")
    for entry in entries:
        if not (entry / "seqinfo.ini").is_file():
            raise UserError(f"{entry}: not a sequence; --overwrite replaces only folders that hold nothing else")


def _draw_sequence(preset: Preset, index: int, folder: Path) -> None:
    rng = np.random.default_rng([VERSION, preset.seed, index])
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    lines: list[tuple[int, int, str]] = []
    street = Street(rng, preset.size, preset.lengths[index], preset.difficulty, index)
    for number, frame in enumerate(street.frames(), start=1):
        Image.fromarray(frame.image).save(folder / "img1" / f"{number:06d}.png", compress_level=1)
        lines += [(row.ident, number, _line(number, row)) for row in frame.rows]
    (folder / "gt" / "gt.txt").write_text("".join(f"{line}\n" for _, _, line in sorted(lines)))
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={preset.difficulty.frame_rate}\n"
        f"seqLength={preset.lengths[index]}\nimWidth={preset.size[0]}\nimHeight={preset.size[1]}\nimExt=.png\n"
    )


def _line(frame: int, row: Row) -> str:
    x, y, w, h = row.box
    return f"{frame},{row.ident},{x},{y},{w},{h},{row.flag},{row.class_id},{row.visibility:.4f}"
