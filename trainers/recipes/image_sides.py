"""The sides of ImageNet's images in the papers, in pixels, to which other nets keep their proportion."""

CROP_SIDE = 224  # of a net's square input
SHORT_SIDE = 256  # of the resized image, in tests
SHORT_SIDES = (256, 480)  # of the resized image, in training (ResNet, arXiv 1512.03385, section 3.4)


def in_proportion(size: int, side: int = SHORT_SIDE) -> int:
    """Returns what a side of the papers is for a net whose input has another side, `size`, in pixels."""
    return round(size * side / CROP_SIDE)
