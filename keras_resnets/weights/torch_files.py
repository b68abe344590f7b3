"""Reading files of PyTorch's tensors as one mapping; nothing in a file is executed."""

import os
import pickle
import zipfile

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


def read_pth(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a .pth file with PyTorch's safe loader, which refuses all but tensors and plain containers.

    Returns:
        The tensors as arrays, by name.

    Raises:
        ArgumentError: if the file is damaged, holds something else, or torch is missing.
    """
    if _is_keras_model(path):
        raise ArgumentError(
            f"weights={str(path)!r} is a whole Keras model: load it with keras.models.load_model, and save its weights "
            "with model.save_weights."
        )
    try:
        import torch
    except ImportError:
        raise ArgumentError(
            f"weights={str(path)!r} looks like a .pth file, which only PyTorch reads: pip install torch, or save its "
            "state dict as .safetensors."
        ) from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ArgumentError(
            f"weights={str(path)!r} cannot be read by PyTorch's safe loader, and nothing in it was executed "
            f"({first_line(error)}): download or save it again, as a state dict of tensors."
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ArgumentError(f"weights={str(path)!r} is not a state dict: save model.state_dict() of the PyTorch model.")
    return {name: tensor.float().numpy() for name, tensor in content.items()}


def _is_keras_model(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
