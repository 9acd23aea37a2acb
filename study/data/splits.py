"""Which frames train, validate and test: three disjoint splits, and the hash of everything read from them."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.config import PRESET, Data, digest
from study.data.clips import Clip, parse_selection
from study.data.motchallenge import Sequence, read_sequence
from study.errors import UserError, nearest


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of clips and what identifies them.

    Attributes:
        train: at least one clip, with evaluated boxes.
        val: the same.
        test: may be empty.
        data_hash: 16 hexadecimal digits, `study.config.digest` of the manifest.
        manifest: plain values: per split and clip the sequence, frames, format and hashes of rows and images used.
            Neither paths nor times of files enter.
    """

    train: tuple[Clip, ...]
    val: tuple[Clip, ...]
    test: tuple[Clip, ...]
    data_hash: str
    manifest: dict[str, Any]


def read_splits(data: Data, cache_dir: Path) -> Splits:
    """Read and check the sequences of the three splits, and hash every byte of image and row of ground truth used.

    Args:
        data: `root` is a folder of sequences or `synthetic:PRESET`; a preset brings its own splits, which stand where
            `train`, `val` or `test` is empty.
        cache_dir: where synthetic sequences are drawn, once.

    Raises:
        UserError: no root, an unknown sequence or preset, a wrong selection, a mistake in a sequence, frames used
            twice, or a split that is empty (train, val) or has no evaluated box.
    """
    sequences: dict[str, Sequence] = {}
    try:
        root, selections = _resolve_root(data, cache_dir)
        splits = {
            split: tuple(_clip(f"data.{split}", text, root, sequences) for text in texts)
            for split, texts in selections.items()
        }
    except OSError as error:
        raise UserError(f"data.root: {error.filename}: cannot be read ({error.strerror})") from None
    for split, clips in splits.items():
        if clips and not any(clip.ground_truth.evaluated.any() for clip in clips):
            names = ", ".join(clip.name for clip in clips)
            raise UserError(
                f"data.{split}: no evaluated box (flag not 0, class 1) in {names}; select frames with boxes"
            )
    _refuse_shared_frames(splits)
    _refuse_shared_images(splits)
    manifest = {split: [_entry(clip) for clip in clips] for split, clips in splits.items()}
    return Splits(**splits, data_hash=digest(manifest), manifest=manifest)


def write_manifest(splits: Splits, path: Path) -> None:
    """Write the data hash and the manifest as JSON, whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps({"data_hash": splits.data_hash, **splits.manifest}, indent=2) + "\n")
    part.replace(path)


def _resolve_root(data: Data, cache_dir: Path) -> tuple[Path, dict[str, tuple[str, ...]]]:
    """Folder of the sequences, and the selections of each split."""
    if data.root is None:
        raise UserError("data.root: not set; expected a folder of MOTChallenge sequences: give it as --data DIR")
    chosen = {"train": data.train, "val": data.val, "test": data.test}
    if data.root.startswith(PRESET):
        from study.data.synthetic import PRESETS, ensure_drawn  # here, so that it can also be run by `python -m`

        name = data.root.removeprefix(PRESET)
        if name not in PRESETS:
            raise UserError(f"data.root: unknown preset in {data.root!r}; {nearest(name, PRESETS)}")
        preset = PRESETS[name]
        root = ensure_drawn(name, cache_dir)
        chosen = {split: texts or tuple(getattr(preset, split)) for split, texts in chosen.items()}
    else:
        root = Path(data.root).expanduser()
        if not root.is_dir():
            raise UserError(f"data.root: {root}: no such folder; expected a folder of MOTChallenge sequences")
    if not _folders(root):
        raise UserError(f"data.root: {root}: no folder in it; expected one folder a MOTChallenge sequence")
    if (root / "seqinfo.ini").exists():
        raise UserError(
            f"data.root: {root} is itself a sequence; expected the folder above it, {root.absolute().parent}"
        )
    for split in ("train", "val"):
        if not chosen[split]:
            raise UserError(
                f"data.{split}: empty; expected sequences, such as --{split} NAME,NAME[1-240];"
                f" {root} has {', '.join(_folders(root))}"
            )
    return root, chosen


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _clip(key: str, text: str, root: Path, sequences: dict[str, Sequence]) -> Clip:
    try:
        selection = parse_selection(text)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    if selection.name not in sequences:
        if not (root / selection.name).is_dir():
            close = nearest(selection.name, _folders(root))
            raise UserError(f"{key}: no sequence {selection.name!r} in {root}; {close}")
        sequences[selection.name] = read_sequence(root / selection.name)
    sequence = sequences[selection.name]
    last = selection.last or sequence.num_frames
    if max(selection.first, last) > sequence.num_frames:
        raise UserError(
            f"{key}: {text}: {sequence.name} has frames 1-{sequence.num_frames}; choose a range within them"
        )
    return Clip(sequence, selection.first, last)


def _refuse_shared_frames(splits: Mapping[str, Iterable[Clip]]) -> None:
    earlier: list[tuple[str, Clip]] = []
    for split, clips in splits.items():
        for clip in clips:
            for other_split, other in earlier:
                first, last = max(clip.first, other.first), min(clip.last, other.last)
                if clip.sequence is other.sequence and first <= last:
                    raise UserError(
                        f"data.{split}: {clip.name} shares frames {first}-{last} with {other.name} of"
                        f" data.{other_split}; every frame may be used once: choose disjoint ranges"
                    )
            earlier.append((split, clip))


def _refuse_shared_images(splits: Mapping[str, Iterable[Clip]]) -> None:
    """Refuse one video in two splits under two names, such as MOT17-09-DPM and MOT17-09-SDP."""
    owners: dict[bytes, tuple[str, Clip, int]] = {}
    for split, clips in splits.items():
        for clip in clips:
            for frame, image in enumerate(clip.image_digests, clip.first):
                other_split, other, other_frame = owners.setdefault(image, (split, clip, frame))
                if other_split != split and other.sequence is not clip.sequence:
                    raise UserError(
                        f"data.{split}: frame {frame} of {clip.sequence.name} is the same image as frame {other_frame}"
                        f" of {other.sequence.name} of data.{other_split}; choose sequences of different videos"
                    )


def _entry(clip: Clip) -> dict[str, Any]:
    """What a clip contributes to the manifest; numbers are hashed as little-endian int64 and float64."""
    truth = clip.ground_truth
    rows = hashlib.sha256()
    for column in (truth.frames, truth.ids, truth.flags, truth.classes):
        rows.update(column.astype("<i8").tobytes())
    for column in (truth.boxes_xyxy, truth.visibility):
        rows.update(column.astype("<f8").tobytes())
    return {
        "sequence": clip.sequence.name,
        "first": clip.first,
        "last": clip.last,
        "format": truth.format,
        "frame_rate": clip.sequence.frame_rate,
        "image_size": list(clip.sequence.image_size),
        "rows": len(truth.frames),
        "ground_truth": rows.hexdigest(),
        "images": hashlib.sha256(b"".join(clip.image_digests)).hexdigest(),
    }
