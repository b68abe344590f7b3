"""Writes what torchvision's evaluation transforms make of JPEG files, in a process without TensorFlow.

python torchvision_crops.py FILE.npz bilinear,36,32 bicubic,35,32 bicubic,33,32

Each case is a filter of Pillow, a short side and a size. FILE has the arrays `photo0`, `photo1` ... (bytes of JPEGs,
uint8); it also gets the crops, (size, size, 3) uint8, named "photo0 bilinear 36 32". With the cases above,
`tests/keras_resnets/references/torchvision_crops.npz` was made of parts of scikit-learn's photographs.
"""

import io
import sys

import numpy as np
from PIL import Image
from torchvision.transforms import v2 as transforms
from torchvision.transforms.functional import InterpolationMode


def main(path, *cases):
    """Adds the crops to a file of photographs."""
    with np.load(path) as arrays:
        photos = {name: arrays[name] for name in arrays if " " not in name}
    crops = {}
    for case in cases:
        pillow_filter, short_side, size = case.split(",")
        resize = transforms.Resize(int(short_side), InterpolationMode(pillow_filter))
        transform = transforms.Compose([resize, transforms.CenterCrop(int(size))])
        for name, photo in photos.items():
            image = Image.open(io.BytesIO(photo.tobytes())).convert("RGB")
            crops[f"{name} {pillow_filter} {short_side} {size}"] = np.asarray(transform(image))
    np.savez_compressed(path, **photos, **crops)


if __name__ == "__main__":
    main(*sys.argv[1:])
