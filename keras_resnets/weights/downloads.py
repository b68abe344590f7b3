"""Files that are downloaded once, into the caches of Keras and of the Hugging Face Hub; errors come soon."""

import contextlib
import functools
import hashlib
import os
import pathlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator

import keras

from keras_resnets.errors import ArgumentError, first_line

SECONDS_TO_WAIT = 10  # for each address of a server to connect, and for more of a file, as the Hub's client does


def download(address: str, purpose: str, otherwise: str, md5: str | None = None, sha256: str | None = None) -> str:
    """Returns the path of a file that is downloaded once, into the folder models of Keras's cache.

    Args:
        address: URL.
        purpose: what the file is, the subject of the error.
        otherwise: what else the user can do, the end of the error.
        md5: checksum. A file in the cache that has another one is downloaded again.
        sha256: the first digits of the checksum.

    Raises:
        ArgumentError: (a ValueError) if the file cannot be downloaded, or has another checksum; it is deleted then.
    """
    name = os.path.basename(address)
    try:
        with _time_limit():
            path = pathlib.Path(keras.utils.get_file(name, address, cache_subdir="models", file_hash=md5))
    except Exception as error:  # whatever a server or a proxy makes of it
        raise ArgumentError(
            f"{purpose} cannot be downloaded ({first_line(error)}): where there is a network, download {address} into "
            f"the folder models of Keras's cache (~/.keras), or {otherwise}."
        ) from error
    if sha256 is not None and not has_checksum(path, sha256):
        path.unlink()
        raise ArgumentError(f"{purpose}: {name} was damaged in transit and has been deleted: try again.")
    return str(path)


def has_checksum(path: str | os.PathLike[str], sha256: str) -> bool:
    """Returns whether a file's SHA-256 begins with these hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256)


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Limits the waiting of sockets, for which Keras has no argument.

    Without it, a network that drops packets is given up after two minutes for each address of a server, and one that
    stalls never.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_TO_WAIT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@functools.lru_cache
def download_from_hub(repository: str, file: str) -> str:
    """Returns the path of a repository's file. The Hub is asked once: `preprocess_input` may be called for every batch.

    Raises:
        ArgumentError: if huggingface_hub is missing. Other errors are those of huggingface_hub, and OSError if there is
            no connection.
    """
    try:
        from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache
    except ImportError:
        raise ArgumentError("huggingface_hub is missing: pip install 'keras_resnets[weights]'") from None
    if not isinstance(try_to_load_from_cache(repository, file), str):
        _check_connection(hf_hub_url(repository, file))
    return hf_hub_download(repository, file)


def _check_connection(address):
    """Raises OSError if an address cannot be reached, which the Hub's client would try six times for a missing file.

    With a proxy, it is the proxy that looks the name up.
    """
    url = urllib.parse.urlsplit(address)
    if not urllib.request.getproxies().keys() - {"no"}:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        socket.create_connection((url.hostname, port), timeout=SECONDS_TO_WAIT).close()
