"""Writes a repository as timm does, and what timm's net and transform make of photographs, without TensorFlow.

python timm_repository.py resnet50.a1_in1k PHOTOS.npz FOLDER

PHOTOS.npz has bytes of JPEGs, uint8. FOLDER gets model.safetensors and config.json, of random weights, and answers.npz:
`inputs` (B, H, W, 3) float32, and `probabilities` (B, 1000).
"""

import io
import pathlib
import sys

import numpy as np
import timm
import torch
from PIL import Image
from pytorch_net import randomize
from timm.data import create_transform, resolve_data_config
from timm.models import save_for_hf


def main(name, photos, folder):
    torch.manual_seed(0)
    net = randomize(timm.create_model(name, pretrained=False))
    save_for_hf(net, folder, safe_serialization=True)
    transform = create_transform(**resolve_data_config(model=net, use_test_size=True))
    with np.load(photos) as arrays:
        images = [Image.open(io.BytesIO(arrays[photo].tobytes())).convert("RGB") for photo in arrays]
    inputs = torch.stack([transform(image) for image in images])
    with torch.no_grad():
        probabilities = torch.softmax(net(inputs), 1).numpy()
    np.savez(
        pathlib.Path(folder) / "answers.npz", inputs=inputs.numpy().transpose(0, 2, 3, 1), probabilities=probabilities
    )


if __name__ == "__main__":
    with torch.no_grad():
        main(*sys.argv[1:])
