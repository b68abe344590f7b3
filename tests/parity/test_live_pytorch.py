"""The nets against torchvision and timm themselves: pip install '.[parity]', then pytest tests/parity."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[parity]'")
timm = pytest.importorskip("timm", reason="timm is not installed: pip install '.[parity]'")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed: pip install '.[parity]'")

import keras_resnets  # noqa: E402

TORCHVISION = {
    "resnet18": ("resnet18", 64),
    "resnet34": ("resnet34", 64),
    "resnet50_v1_5": ("resnet50", 64),
    "resnet101_v1_5": ("resnet101", 64),
    "resnet152_v1_5": ("resnet152", 64),
    "googlenet": ("googlenet", 97),
    "vgg16": ("vgg16", 224),
    "vgg19": ("vgg19", 224),
}
TIMM = {
    "resnet18_v2": ("resnetv2_18", 64),
    "resnet34_v2": ("resnetv2_34", 64),
    "resnet50_v2": ("resnetv2_50", 95),
    "resnet101_v2": ("resnetv2_101", 64),
    "inception_v4": ("inception_v4", 107),
    "inception_resnet_v2_slim": ("inception_resnet_v2", 107),
    "vgg16": ("vgg16", 224),
}


def randomized(net):
    """Gives a PyTorch net random statistics, and gammas of both signs."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            count = (module.num_features,)
            module.running_mean.copy_(0.1 * torch.randn(count, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(count, generator=generator))
            sign = torch.where(torch.arange(*count) % 7 == 0, -1.0, 1.0)
            module.weight.data.copy_(sign * (0.5 + 0.5 * torch.rand(count, generator=generator)))
            module.bias.data.copy_(0.1 * torch.randn(count, generator=generator))
    return net.eval()


def assert_same_logits(net, name, size, path):
    model = keras_resnets.create_model(name, input_shape=(size, size, 3), classifier_activation=None, weights=path)
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype("float32")
    with torch.no_grad():
        expected = net(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    answers = np.array(model(images))
    assert np.abs(answers - expected).max() < 1e-2 * np.abs(expected[0] - expected[1]).max()
    assert np.abs(answers - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name, tmp_path):
    theirs, size = TORCHVISION[name]
    arguments = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    net = randomized(getattr(torchvision.models, theirs)(weights=None, **arguments))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    assert_same_logits(net, name, size, tmp_path / "weights.pth")


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm(name, tmp_path):
    from safetensors.torch import save_file

    theirs, size = TIMM[name]
    net = randomized(timm.create_model(theirs, pretrained=False))
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    assert_same_logits(net, name, size, tmp_path / "model.safetensors")


def test_pickles_with_code_are_refused_by_the_safe_loader(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"conv1.weight": Attack()}, tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    whole = {"state_dict": torchvision.models.resnet18(weights=None).state_dict()}
    torch.save(whole, tmp_path / "nested.pth")
    (tmp_path / "truncated.pth").write_bytes((tmp_path / "nested.pth").read_bytes()[:100_000])
    for name, message in [
        ("code", "cannot be read by PyTorch's safe loader, and nothing in it was executed"),
        ("truncated", "cannot be read by PyTorch's safe loader"),
        ("list", "is no state dict"),
    ]:
        with pytest.raises(keras_resnets.ArgumentError, match=message):
            keras_resnets.ResNet18(weights=tmp_path / f"{name}.pth")
    assert not (tmp_path / "executed").exists()
    assert keras_resnets.ResNet18(weights=tmp_path / "nested.pth").name == "resnet18"
