"""The files that hold a checkpoint's tensors: safetensors or a pickle, whole or in shards."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from torchless_export.errors import CheckpointError
from torchless_export.spec import Floats

from .json_files import read_json

_SAFETENSORS, _PICKLE = "model.safetensors", "pytorch_model.bin"


def weight_files(folder: Path) -> list[Path]:
    """The files with the tensors; safetensors come first where a checkpoint has both kinds.

    Raises:
        CheckpointError: there are none, or a shard is missing.
    """
    for name in (_SAFETENSORS, _PICKLE):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = [folder / shard for shard in sorted(set(read_json(index).get("weight_map", {}).values()))]
            missing = [shard.name for shard in shards if not shard.is_file()]
            if missing:
                raise CheckpointError(f"{folder}: {index.name} names shards that are not there: {', '.join(missing)}.")
            return shards
    raise CheckpointError(f"{folder}: no weights; expected {_SAFETENSORS} or {_PICKLE}.")


def sha256_of(files: list[Path]) -> str:
    """The digest of the files' digests, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_weights(folder: Path) -> dict[str, Floats]:
    """Every tensor of a checkpoint, as float32.

    Raises:
        CheckpointError: a file is missing, cut short or holds more than tensors.
    """
    arrays: dict[str, Floats] = {}
    for path in weight_files(folder):
        arrays.update(_safetensors(path) if path.suffix == ".safetensors" else _pickled(path))
    return arrays


def _safetensors(path: Path) -> Iterator[tuple[str, Floats]]:
    # Through torch, because numpy has no bfloat16.
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a dict
                yield name, file.get_tensor(name).float().numpy()
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}). Download or save it again.") from error


def _pickled(path: Path) -> Iterator[tuple[str, Floats]]:
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path}: not a file of tensors alone, or damaged ({error}). Save it as model.safetensors."
        ) from error
    for name, tensor in tensors.items():
        yield name, np.asarray(tensor.float().numpy())
