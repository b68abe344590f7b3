"""Sizes of images in the papers, whose nets see 224 pixels, and the same proportions for other nets."""

PAPERS_SIZE = 224  # side of the net's input, in pixels
PAPERS_SHORT_SIDE = 256  # short side of the resized image from which the input is cropped, in pixels


def in_proportion(size: int, papers_side: int = PAPERS_SHORT_SIDE) -> int:
    """Returns a side in pixels, rounded, for a net whose input has `size` pixels where the papers' have 224."""
    return round(size * papers_side / PAPERS_SIZE)
