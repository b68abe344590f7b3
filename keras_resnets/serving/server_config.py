"""Configuration files of `tensorflow_model_server`: the exports to serve, and the batching of requests."""

import json
import os
import pathlib

from keras_resnets.serving.versions import versions

BATCHING = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file: simultaneous requests are computed
# together. Requests of serving_default are only joined if their images have the same size; image_bytes takes any sizes.
# More threads than cores do not help.
max_batch_size { value: 8 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
allowed_batch_sizes: 1
allowed_batch_sizes: 2
allowed_batch_sizes: 4
allowed_batch_sizes: 8
"""
MODEL = """\
  config {{
    name: {name}
    base_path: {path}
    model_platform: "tensorflow"
  }}
"""


def write_server_config(folder: str | os.PathLike, server_path: str = "/models") -> list[pathlib.Path]:
    """Writes `models.config` and `batching.config` for all exports in a folder.

    Args:
        folder: a folder that contains, for each export, the folder of its versions.
        server_path: absolute path of that folder on the server.

    Returns:
        The paths of both files.
    """
    folder = pathlib.Path(folder)
    names = sorted(path.name for path in folder.iterdir() if versions(path))
    entries = (
        MODEL.format(name=json.dumps(name), path=json.dumps(f"{server_path.rstrip('/')}/{name}")) for name in names
    )
    contents = {"models.config": f"model_config_list {{\n{''.join(entries)}}}\n", "batching.config": BATCHING}
    for name, content in contents.items():
        (folder / name).write_text(content)
    return [folder / name for name in contents]
