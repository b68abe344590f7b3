"""Finding the weights in a whole Keras model (`model.save("x.keras")`); nothing in a file is executed."""

import io
import os
import struct
import zipfile

from keras_resnets.errors import ArgumentError, first_line

MEMBER = "model.weights.h5"
# Those of damaged archives, whose bytes may state anything.
ERRORS = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, struct.error)


def is_keras_model(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file is a whole Keras model: a ZIP archive with weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MEMBER in archive.namelist()
    except ERRORS:
        return False


def weights_in_model(source: str, path: str | os.PathLike[str]) -> io.BytesIO:
    """Returns the HDF5 file of the weights in a whole Keras model.

    Only that member of the archive is read, and only as Keras stores it, not packed: it is no larger than the archive.

    Args:
        source: the name of the file, for messages.
        path: the file.

    Raises:
        ArgumentError: if the member is packed or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(MEMBER).compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its {MEMBER} is packed, other than Keras writes it")
            return io.BytesIO(archive.read(MEMBER))
    except ERRORS as error:
        raise ArgumentError(
            f"{source} is not a readable Keras model ({first_line(error)}): download or save it again."
        ) from error
