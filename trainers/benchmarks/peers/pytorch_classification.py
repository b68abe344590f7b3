"""A training step of a classification net in PyTorch, in a process of `step_server`.

python pytorch_classification.py NET BATCH_SIZE SIDE CLASSES PRECISION
"""

import os
import sys

import torch
import torchvision
from step_server import serve
from torch import nn

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FILTERS = (16, 32, 64)
EXPANSION = 4  # of a bottleneck's filters


class Unit(nn.Module):
    """A residual unit of two 3x3 convolutions with option A (arXiv 1512.03385, section 4.2)."""

    def __init__(self, width, filters, stride):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(width, filters, 3, stride, 1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.stride, self.added = stride, filters - width

    def forward(self, x):
        shortcut = x
        if self.added:
            shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return torch.relu(self.branch(x) + shortcut)


class PreActivationBottleneck(nn.Module):
    """A pre-activation bottleneck with option B (arXiv 1603.05027)."""

    def __init__(self, width, filters, stride):
        super().__init__()
        self.preactivation = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(width, filters, 1, stride, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, EXPANSION * filters, 1, bias=False),
        )
        self.projection = None
        if width != EXPANSION * filters:
            self.projection = nn.Conv2d(width, EXPANSION * filters, 1, stride, bias=False)

    def forward(self, x):
        activated = self.preactivation(x)
        return self.branch(activated) + (x if self.projection is None else self.projection(activated))


def cifar_net(unit, units, expansion, stem, top):
    """Returns a CIFAR net of three stages, between a stem and a top of layers."""
    layers, width = [nn.Conv2d(3, FILTERS[0], 3, 1, 1, bias=False), *stem], FILTERS[0]
    for stage, filters in enumerate(FILTERS):
        for i in range(units):
            layers.append(unit(width, filters, 2 if stage and not i else 1))
            width = expansion * filters
    return nn.Sequential(*layers, *top(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def cifar_resnet(depth):
    """Returns the net of 6n+2 layers."""
    stem = nn.BatchNorm2d(FILTERS[0]), nn.ReLU(inplace=True)
    return cifar_net(Unit, (depth - 2) // 6, 1, stem, lambda width: ())


def cifar_resnet_v2(depth):
    """Returns the net of 9n+2 layers."""

    def top(width):
        return nn.BatchNorm2d(width), nn.ReLU(inplace=True)

    return cifar_net(PreActivationBottleneck, (depth - 2) // 9, EXPANSION, (), top)


NETS = {
    "resnet50_v1_5": torchvision.models.resnet50,
    "cifar_resnet8": lambda: cifar_resnet(8),
    "cifar_resnet20": lambda: cifar_resnet(20),
    "cifar_resnet110": lambda: cifar_resnet(110),
    "cifar_resnet_v2_164": lambda: cifar_resnet_v2(164),
}


def main(net, batch_size, side, classes, precision):
    """Trains in the memory format in which PyTorch's convolutions are fastest, with autocast for bfloat16."""
    batch_size, side = int(batch_size), int(side)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = NETS[net]().to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(batch_size, 3, side, side, device=DEVICE).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(int(classes), (batch_size,), device=DEVICE)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    parameters = sum(parameter.numel() for parameter in model.parameters())
    serve(step, units=batch_size, parameters=parameters)


if __name__ == "__main__":
    main(*sys.argv[1:])
