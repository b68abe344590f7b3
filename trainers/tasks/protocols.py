"""The papers' protocols of evaluation: which views of a test image a net predicts from.

The prediction is the mean of the probabilities for all views. Sides are in proportion to the net's input, `size`: see
`trainers.data.proportions`.
"""

import dataclasses
from collections.abc import Callable

from trainers.data.proportions import in_proportion


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One row of `PROTOCOLS`.

    Attributes:
        function: name of the function of `trainers.tasks.views` that makes the views.
        count: number of its views.
        short_sides: of the resized images, for a net of 224 pixels, each with all views; () for the preprocessing's.
        dense: whether the net classifies every position of a view, and its logits are averaged over the positions (VGG,
            arXiv 1409.1556, section 3.2). Then views differ in size; otherwise they are squares of `size`.
        with_room: whether the resized image is larger than the net's input: a short side of `size` becomes one in
            the papers' proportion to it.
    """

    function: str
    count: int
    short_sides: tuple[int, ...] = ()
    dense: bool = False
    with_room: bool = False

    @property
    def views(self) -> Callable:
        """The function that makes the views: see `trainers.tasks.views`."""
        from trainers.tasks import views  # needs TensorFlow, which is loaded after the flags are checked

        return getattr(views, self.function)

    def scales(self, size: int, short_side: int) -> list[int]:
        """Returns the short sides for `views`, one integer for each scale.

        Args:
            size: side of the net's square input, in pixels.
            short_side: the preprocessing's.
        """
        if self.with_room and short_side == size:
            short_side = in_proportion(size)
        return [in_proportion(size, side) for side in self.short_sides] or [short_side]

    @property
    def views_of_an_image(self) -> int:
        """Number of views at all scales."""
        return self.count * max(1, len(self.short_sides))


PROTOCOLS = {
    "single_crop": Protocol("single_crop", 1),
    "ten_crop": Protocol("ten_crop", 10, with_room=True),
    "twelve_crop": Protocol("twelve_crop", 12, with_room=True),
    # GoogLeNet, section 7.
    "144_crop": Protocol("three_squares", 36, short_sides=(256, 288, 320, 352)),
    "dense": Protocol("whole_image", 2, dense=True),
    # ResNet (arXiv 1512.03385), section 3.4. It averages "scores" over the scales, here probabilities.
    "multi_scale": Protocol("whole_image", 2, short_sides=(224, 256, 384, 480, 640), dense=True),
}

DEFAULT_PROTOCOL = "single_crop"
