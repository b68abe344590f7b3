"""Ensembles of detectors (ResNet, arXiv 1512.03385, appendix B, "Ensemble").

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_resnets.detection.base import DetectionModel
from keras_resnets.detection.faster_rcnn import FasterRCNN
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.errors import ArgumentError


@keras.saving.register_keras_serializable(package="keras_resnets")
class Ensemble(DetectionModel):
    """Trained detectors that find regions together and classify them together.

    The regions are the union of all proposers' proposals. Each classifier scores each region. The means of their scores
    and of their deltas (the paper does not say how they are combined) become detections, by the options of the first
    classifier: its thresholds, box refinement and box voting. A detector that both finds and classifies regions
    computes its features once.

    Input and output: as for `keras_resnets.FasterRCNN`. An ensemble is for inference; its members are trained before.

    Args:
        proposers: list of `FasterRCNN`. Their classes do not matter.
        classifiers: list of `FasterRCNN`, `FastRCNN`, or `RCNN` or `SPPNet` with `svm=False`. They have the same
            `num_classes` and `delta_stds`.
        name: name of the model.

    Raises:
        ArgumentError: (a ValueError) for detectors that cannot work together.
    """

    def __init__(
        self, proposers: Sequence[FasterRCNN], classifiers: Sequence[RegionDetector], name: str = "ensemble"
    ) -> None:
        super().__init__(autocast=False, name=name)
        _check(proposers, classifiers)
        self.proposers, self.classifiers = list(proposers), list(classifiers)
        self.num_classes = self.classifiers[0].num_classes
        self.built = True

    @property
    def members(self) -> list[RegionDetector]:
        """The detectors, each of them once."""
        return list(dict.fromkeys([*self.proposers, *self.classifiers]))

    def call(self, inputs, training=False):
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        features = {member: member.features(inputs, training) for member in self.members}
        proposals = [member.proposals_in(features[member], image_shapes, training) for member in self.proposers]
        regions, valid = (tf.concat(parts, axis=1) for parts in zip(*proposals))

        def score(regions):
            scored = [member.score(features[member], regions, image_shapes, training) for member in self.classifiers]
            return [tf.add_n(parts) / len(parts) for parts in zip(*scored)]

        return self.classifiers[0].detect_by(score, regions, valid, image_shapes)

    def get_config(self):
        # Keras would copy a detector that is in both lists.
        members = self.members
        return {
            "name": self.name,
            "members": [keras.saving.serialize_keras_object(member) for member in members],
            "proposers": [members.index(member) for member in self.proposers],
            "classifiers": [members.index(member) for member in self.classifiers],
        }

    @classmethod
    def from_config(cls, config):
        members = [keras.saving.deserialize_keras_object(member) for member in config["members"]]
        proposers, classifiers = ([members[i] for i in config[name]] for name in ("proposers", "classifiers"))
        return cls(proposers, classifiers, config["name"])


def _check(proposers, classifiers):
    for name, members, kind in (("proposers", proposers, FasterRCNN), ("classifiers", classifiers, RegionDetector)):
        if not isinstance(members, (list, tuple)) or not members or not all(isinstance(one, kind) for one in members):
            kinds = "FasterRCNN" if kind is FasterRCNN else "FasterRCNN, FastRCNN, RCNN or SPPNet"
            raise ArgumentError(f"{name}={members!r} must be a list of {kinds}, with at least one of them.")
    if any(getattr(one.options, "svm", False) for one in classifiers):
        raise ArgumentError(
            f"classifiers={classifiers!r} must have softmax scores: leave out those with SVMs, or "
            "make them with svm=False."
        )
    for name, values in (
        ("num_classes", [one.num_classes for one in classifiers]),
        ("delta_stds", [one.options.delta_stds for one in classifiers]),
    ):
        if len(set(values)) > 1:
            raise ArgumentError(
                f"classifiers have {name}={', '.join(map(str, values))}, which must be the same for their means to "
                "make sense: leave out those that differ."
            )
