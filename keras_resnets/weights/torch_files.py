"""Reading files of PyTorch's tensors as one mapping; nothing in a file is executed."""

import argparse
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError, first_line


def is_safetensors(start: bytes) -> bool:
    """Returns whether these bytes begin a .safetensors file: the size of a JSON object, and its brace."""
    return start[8:9] == b"{"


def is_pickle(start: bytes) -> bool:
    """Returns whether these bytes begin a .pth file: a ZIP archive (since PyTorch 1.6), or a pickle."""
    return start.startswith(b"PK\x03\x04") or start.startswith(b"\x80")


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a .safetensors file.

    Returns:
        The tensors as arrays, by name.

    Raises:
        ArgumentError: if the file is damaged, or the package safetensors is missing.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise ArgumentError(
            f"weights={str(path)!r} is a .safetensors file: pip install 'keras_resnets[weights]'."
        ) from None
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentError(
            f"weights={str(path)!r} is not a readable .safetensors file ({first_line(error)}): "
            "download or save it again."
        ) from error


def read_pth(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Reads a .pth file with PyTorch's safe loader, which refuses all but tensors and plain containers.

    Of other classes, only `argparse.Namespace` is let through, in which trainers save their flags: it is plain as well.

    Returns:
        The content: tensors, or containers of them, by name.

    Raises:
        ArgumentError: if the file is damaged, holds something else, or torch is missing or older than 2.5.
    """
    try:
        import torch
    except ImportError:
        raise ArgumentError(
            f"weights={str(path)!r} looks like a .pth file, which only PyTorch reads: pip install torch, or save its "
            "state dict as .safetensors."
        ) from None
    if not hasattr(torch.serialization, "safe_globals"):
        raise ArgumentError(
            f"weights={str(path)!r} is a .pth file, for which PyTorch {torch.__version__} is too old: install torch "
            "2.5 or newer, or save its state dict as .safetensors."
        )
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged bytes lead the loader to errors of any class.
        raise ArgumentError(f"weights={str(path)!r} {refusal(error)}") from error
    if not isinstance(content, Mapping):
        raise ArgumentError(
            f"weights={str(path)!r} holds a {type(content).__name__}, which is no state dict: save model.state_dict() "
            "of the PyTorch model."
        )
    return content


def refusal(error: Exception) -> str:
    """Returns why PyTorch's safe loader has not read a file, and what to do.

    Args:
        error: that `torch.load(..., weights_only=True)` has raised.
    """
    foreign = re.search(r"GLOBAL (\S+)", str(error))
    if foreign is None:
        # PyTorch writes general advice before its reason.
        reason = first_line(str(error).rpartition("WeightsUnpickler error: ")[2])
        return f"cannot be read by PyTorch ({reason}): download or save it again, as a state dict of tensors."
    return (
        f"holds {foreign[1]}, which PyTorch's safe loader refuses; nothing in the file was executed. Where you trust "
        "the file, load it with torch.load(..., weights_only=False), and save its state dict alone."
    )


def as_array(value: Any) -> np.ndarray:
    """Returns a tensor of PyTorch, or anything that NumPy takes, as an array."""
    return value.detach().float().numpy() if hasattr(value, "detach") else np.asarray(value)
