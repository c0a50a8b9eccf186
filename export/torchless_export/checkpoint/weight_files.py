"""The files that hold a checkpoint's tensors: safetensors or a pickle, whole or in shards."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torchless.errors import shortened
from torchless_export.errors import CheckpointError, one_line
from torchless_export.spec import Floats

from .files import is_there
from .json_files import read_json

_SAFETENSORS, _PICKLE = "model.safetensors", "pytorch_model.bin"
_OF_OTHERS = ("tf_model.h5", "flax_model.msgpack", "model.ckpt.index")
_GRAPHS = ("model.onnx", "onnx/model.onnx", "openvino_model.bin")
_WRAPPERS = {"module": "DataParallel", "_orig_mod": "torch.compile"}
_POINTER = b"version https://git-lfs"  # what Git keeps in the place of a large file


def weight_files(folder: Path) -> list[Path]:
    """The files with the tensors; safetensors come first where a checkpoint has both kinds.

    Raises:
        CheckpointError: there are none, a shard is missing, or something that is no file has the name of one.
    """
    for name in (_SAFETENSORS, _PICKLE):
        if is_there(folder / name):
            return [folder / name]
        if is_there(folder / f"{name}.index.json"):
            return _shards(folder, f"{name}.index.json")
    raise no_weights(str(folder), [name for name in (*_OF_OTHERS, *_GRAPHS) if (folder / name).exists()])


def has_safetensors(folder: Path) -> bool:
    """Whether a folder has weights as safetensors, in one file or in shards."""
    return any(is_there(folder / name) for name in (_SAFETENSORS, f"{_SAFETENSORS}.index.json"))


def no_weights(where: str, files: Collection[str]) -> CheckpointError:
    """The error about a checkpoint without weights of PyTorch, with what becomes of the files that it has instead."""
    advice = ""
    if others := [name for name in _OF_OTHERS if name in files]:
        advice = f" {others[0]} is not PyTorch's: load it with transformers 4 and save it again."
    elif graphs := [name for name in _GRAPHS if name in files]:
        advice = f" {graphs[0]} is a graph: export the checkpoint that it was made from."
    return CheckpointError(f"{where}: no weights; expected {_SAFETENSORS} or {_PICKLE}.{advice}")


def _shards(folder: Path, index: str) -> list[Path]:
    listed = read_json(folder / index).get("weight_map")
    names = set(listed.values()) if isinstance(listed, dict) and listed else {None}
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise CheckpointError(f"{folder / index}, weight_map: expected a file of this folder for each tensor.")
    shards = [folder / name for name in sorted(map(str, names))]
    if missing := [shard.name for shard in shards if not is_there(shard)]:
        raise CheckpointError(
            f"{folder}: {index} names shards that are not there: {shortened(', '.join(missing), 300)}."
        )
    return shards


def sha256_of(files: list[Path]) -> str:
    """The digest of the files' digests, as 64 hexadecimal digits.

    Raises:
        CheckpointError: a file cannot be read, or stands for one that Git LFS has not fetched.
    """
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                pointer = file.read(len(_POINTER)) == _POINTER
                file.seek(0)
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
        if pointer:
            raise CheckpointError(f"{path}: a pointer of Git LFS, not the weights. Fetch them with: git lfs pull")
    return digest.hexdigest()


def read_weights(folder: Path) -> dict[str, Floats]:
    """Every tensor of a checkpoint, as float32; what a pickle holds beside tensors is left out, as transformers does.

    Raises:
        CheckpointError: a file is missing, cut short, or holds code, no tensors, or numbers that are no float32.
    """
    arrays: dict[str, Floats] = {}
    for path in weight_files(folder):
        tensors = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
        arrays.update((name, _as_float32(path, name, tensor)) for name, tensor in tensors)
    _refuse_wrapped(folder, arrays)
    return arrays


def _refuse_wrapped(folder: Path, names: Iterable[str]) -> None:
    for attribute, wrapper in _WRAPPERS.items():
        if all(name.startswith(f"{attribute}.") for name in names):
            raise CheckpointError(
                f"{folder}: every tensor's name begins with {attribute!r}, as {wrapper} writes them, and transformers "
                f"finds none of them. Save the model inside it: model.{attribute}.save_pretrained(folder)."
            )


def _as_float32(path: Path, name: str, tensor: Any) -> Floats:
    try:
        if tensor.is_complex():
            raise TypeError("complex numbers")
        array: Floats = tensor.detach().float().numpy()
    except Exception as error:  # torch raises errors of any class: quantised, sparse, without data
        raise CheckpointError(
            f"{path}, {name}: expected numbers that float32 holds, got {tensor.dtype} ({one_line(error)}). "
            "Save the model in float32, not quantised."
        ) from error
    return array


def _safetensors(path: Path) -> Iterator[tuple[str, Any]]:
    # Through torch, because numpy has no bfloat16.
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield from ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118  # not a dict
    except Exception as error:  # safetensors' own class, torch's for a type that it lacks, the system's
        raise CheckpointError(
            f"{path}: damaged or cut short ({one_line(error)}). Download or save it again."
        ) from error


def _pickled(path: Path) -> Iterator[tuple[str, Any]]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises errors of any class
        raise CheckpointError(
            f"{path}: not a file of tensors alone, or damaged ({one_line(error)}). Save it as model.safetensors."
        ) from error
    tensors = content if isinstance(content, Mapping) else {}
    named = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}
    if not named:
        nested = [name for name, value in tensors.items() if isinstance(value, Mapping)]
        got = f"mappings under {shortened(', '.join(map(repr, nested)))}" if nested else type(content).__name__
        raise CheckpointError(
            f"{path}: expected tensors by their names, got {got}. Load it into the model that it was trained in, and "
            "save that with save_pretrained."
        )
    yield from ((str(name), tensor) for name, tensor in named.items())
