"""Batches of augmented images, uint8, from torchvision's data loader, in a process of `step_server`.

python pytorch_input_pipeline.py FOLDER ROW DECODER SIDE BATCH_SIZE BATCHES
"""

import random
import sys

import torch
import torchvision
from step_server import serve
from torch.utils.data import DataLoader, RandomSampler, default_collate
from torchvision.transforms import v2

WORKERS = 2
SHORT_SIDES = 256 / 224, 480 / 224  # in sides of the crop
COLOR_STDDEV = 0.1
EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])
EIGENVECTORS = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def to_uint8(image):
    """Returns the nearest integers of values in 0..255, which may be overwritten."""
    return image.round_().to(torch.uint8)


class ScaleJitter:
    """A random square at a random scale (arXiv 1512.03385, section 3.4)."""

    def __init__(self, side):
        self.side = side

    def __call__(self, image):
        height, width = v2.functional.get_size(image)
        side = round(min(height, width) / random.uniform(*SHORT_SIDES))
        top, left = random.randint(0, height - side), random.randint(0, width - side)
        return v2.functional.resized_crop(image, top, left, side, side, [self.side, self.side], antialias=True)


class Colors:
    """Random multiples of the principal components of ImageNet's colors."""

    def __call__(self, image):
        shift = EIGENVECTORS @ (torch.randn(3) * COLOR_STDDEV * EIGENVALUES)
        return to_uint8((image + 255 * shift[:, None, None]).clamp_(0, 255))


# What is done to an image before and after it becomes a tensor, if it is none.
ROWS = {
    "imagenet": lambda side: ([ScaleJitter(side), v2.RandomHorizontalFlip()], [Colors()]),
    "random_resized_crop": lambda side: ([v2.RandomResizedCrop(side, antialias=True), v2.RandomHorizontalFlip()], []),
    "imagenet_modern": lambda side: (
        [v2.RandomResizedCrop(side, antialias=True), v2.RandomHorizontalFlip(), v2.RandAugment()],
        [],
    ),
}


class MixUp:
    """MixUp of a batch of uint8, which torchvision's does not take."""

    def __init__(self):
        self.mix = v2.MixUp(alpha=0.2, num_classes=2)

    def __call__(self, images, labels):
        mixed, labels = self.mix(images.float(), labels)
        return to_uint8(mixed), labels


def read(path):
    """Returns an image as a tensor (3, H, W) uint8."""
    return torchvision.io.decode_jpeg(torchvision.io.read_file(path), mode=torchvision.io.ImageReadMode.RGB)


def main(folder, row, decoder, side, batch_size, batches):
    """Draws batches in each step. Between steps, the workers wait."""
    batch_size, batches = int(batch_size), int(batches)
    before, after = ROWS[row](int(side))
    transform = v2.Compose([*before, v2.PILToTensor(), *after])
    arguments = {"loader": read} if decoder == "tensors" else {}
    dataset = torchvision.datasets.ImageFolder(f"{folder}/train", transform, **arguments)
    mix = v2.RandomChoice([MixUp(), v2.CutMix(alpha=1.0, num_classes=2)])
    loader = DataLoader(
        dataset,
        batch_size,
        sampler=RandomSampler(dataset, replacement=True, num_samples=batches * batch_size),
        num_workers=WORKERS,
        collate_fn=(lambda examples: mix(*default_collate(examples))) if row == "imagenet_modern" else None,
        persistent_workers=True,
        multiprocessing_context="fork",  # Others would have to pickle the function of a batch.
    )

    def step():
        for _ in loader:
            pass

    serve(step, units=batches * batch_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
