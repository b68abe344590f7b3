"""The task of object detection."""

import keras_resnets
from keras_resnets.detection.options import make_options
from keras_resnets.errors import ArgumentError
from trainers.tasks import specs
from trainers.tasks.detection_config import BoxChoices, box_config
from trainers.tasks.detector_task import DetectorTask
from trainers.tasks.multi_stage import alternating, svm_stages
from trainers.tasks.specs import SYSTEMS, TEST_OPTIONS


class Detection(DetectorTask):
    """A detector, with the training of its stages, and its evaluation and export.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    evaluation_flags = ("ensemble", *TEST_OPTIONS)
    export_flags = ("ensemble", "svd_ranks", *TEST_OPTIONS)

    def stages(self):
        """See `Task`: the four steps of alternating training, or those of an R-CNN or SPPnet with SVMs."""
        if self.config["alternating"]:
            return alternating.stages(self)
        if self.config["options"].get("svm"):
            return svm_stages.stages(self)
        return None

    @classmethod
    def with_options(cls, config, options):
        """See `Task`: other `TEST_OPTIONS`."""
        if not options:
            return config
        options = {**config["options"], **options}
        make_options(options, SYSTEMS[config["system"]].options)
        return {**config, "options": options}

    @classmethod
    def ensemble_problem(cls, config, member, dataset_name):
        """See `Task`. Members are Faster R-CNNs, with or without a pyramid, that resize images alike."""
        if not all(SYSTEMS[one["system"]].finds_regions for one in (member, config)):
            return "both must be of Faster R-CNN, leave it out"
        if member["resizing"] != config["resizing"]:
            return "they resize images to different sizes, leave it out"
        return None

    def ensemble(self, models):
        """Returns detectors as one: see `keras_resnets.Ensemble`."""
        return keras_resnets.Ensemble(models, models)


def configure(
    choices: BoxChoices,
    *,
    system: str = "faster_rcnn",
    proposals: dict | None = None,
    alternating: bool = False,
    roi_pooling: str | None = None,
    validation_losses: bool = False,
    frozen_batch_norm_epsilon: float | None = None,
) -> dict:
    """Makes the configuration of a run of `Detection`: everything that is needed to repeat it.

    Args:
        choices: the choices that all runs with boxes share.
        system: a name of `trainers.tasks.specs.SYSTEMS`.
        proposals: arguments of `propose_by`, for systems that do not find regions themselves; the data set has these
            proposals.
        alternating: whether Faster R-CNN is trained in four steps, instead of jointly.
        roi_pooling: how features of regions are pooled, for systems that pool them; None for the system's default.
        validation_losses: whether evaluations measure the losses as well; not for a training in several stages.
        frozen_batch_norm_epsilon: of the file of a published detector: see `keras_resnets.create_detector`.

    Returns:
        A dict that JSON can hold.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if alternating and system != "faster_rcnn":
        raise ArgumentError(f"alternating={alternating} is for system='faster_rcnn', not {system!r}: leave it out.")
    pooling = roi_pooling or SYSTEMS[system].roi_pooling
    return {
        **box_config(specs.DETECTION, SYSTEMS[system].options, choices),
        "system": system,
        "detector": choices.detector,
        "frozen_batch_norm_epsilon": frozen_batch_norm_epsilon,
        "alternating": alternating,
        "proposals": proposals,
        "pooling": {"roi_pooling": pooling} if pooling else {},
        "validation_losses": validation_losses,
    }
