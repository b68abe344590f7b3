"""Writes weights and answers of a net of torchvision or timm, in a process without TensorFlow.

python pytorch_net.py torchvision resnet18 64 FOLDER

In one process with TensorFlow, the import of torchvision ends in a segmentation fault (in Triton).
"""

import pathlib
import sys

import numpy as np
import timm
import torch
import torchvision
from safetensors.torch import save_file


def make(source, name):
    """Returns an untrained net of the library `source`."""
    if source == "timm":
        return timm.create_model(name, pretrained=False)
    arguments = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(weights=None, **arguments)


def randomize(net):
    """Gives a net random statistics, gammas of both signs, and kernels that let images through (theirs do not all)."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, generator=generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            count = (module.num_features,)
            module.running_mean.copy_(0.1 * torch.randn(count, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(count, generator=generator))
            sign = torch.where(torch.arange(*count) % 7 == 0, -1.0, 1.0)
            module.weight.data.copy_(sign * (0.5 + 0.5 * torch.rand(count, generator=generator)))
            module.bias.data.copy_(0.1 * torch.randn(count, generator=generator))
    return net.eval()


def main(source, name, size, folder):
    torch.manual_seed(0)
    folder, size = pathlib.Path(folder), int(size)
    net = randomize(make(source, name))
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype("float32")
    with torch.no_grad():
        logits = net(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    np.savez(folder / "answers.npz", images=images, logits=logits)
    torch.save(net.state_dict(), folder / "weights.pth")
    save_file(net.state_dict(), folder / "weights.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
