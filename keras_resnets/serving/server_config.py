"""What `tensorflow_model_server` is started with: which exports to serve, and how to batch requests."""

import json
import pathlib

from keras_resnets.serving.versions import versions

BATCHING = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file: requests that come at the same time are
# computed together. Images of one request of serving_default have one size, and only such requests are joined;
# image_bytes takes any. More threads than cores do not help.
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


def write_server_config(folder, server_path="/models"):
    """Writes `models.config` and `batching.config` for all exports below a folder.

    Args:
        folder: has a folder of versions for each export.
        server_path: where the server finds that folder: an absolute path, there.

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
