"""Repositories in the cache of the Hugging Face Hub, written as its client keeps them."""

import pathlib

from huggingface_hub import constants

from keras_resnets.weights import downloads

COMMIT = "0" * 40


def use_cache(monkeypatch, folder):
    """Has the Hub's client look into the folder, and this package ask it again."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    downloads.download_from_hub.cache_clear()


def repository(cache, name):
    """Makes a repository without files in a cache.

    Args:
        cache: the cache's folder.
        name: e.g. "timm/resnet18.a1_in1k".

    Returns:
        The folder for its files.
    """
    root = pathlib.Path(cache) / f"models--{name.replace('/', '--')}"
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    return snapshot
