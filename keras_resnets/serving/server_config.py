"""Configuration files of `tensorflow_model_server`: the exports to serve, and the batching of requests."""

import json
import os
import pathlib

from keras_resnets.serving.versions import versions

BATCHING = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file=..., which computes simultaneous requests of
# a signature together. It does so for all signatures, and where joined requests differ in shape, all of them fail:
# "Tensors with name ... from different tasks have different shapes and padding is turned off".
# - image_bytes: can be batched, whatever the sizes of the images. For a localizer, all requests need as many classes.
# - serving_default and features: only if all images of all clients have one size.
# So enable batching only where every client keeps to this. Do not set pad_variable_length_inputs: it makes images
# larger by repeating their first value, which changes the answers.
# A request of more images than a batch is split. More threads than cores do not help.
max_batch_size { value: 8 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
enable_large_batch_splitting { value: true }
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

    A server needs only the first. `batching.config` begins with what it is for, and when it does harm.

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
