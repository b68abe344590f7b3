"""A program for test_svm_stages.py: trains an R-CNN in its stages, saving what it mines after every image.

python staged_run.py FOLDER
"""

import pathlib
import sys

import tensorflow as tf
from configurations import detection_config
from rectangles import STAGES, rectangle_dataset

from trainers.data.proposals.with_proposals import propose_by
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.tasks.detection import Detection
from trainers.tasks.multi_stage import svms

OPTIONS = {"head": "mlp", "head_units": 16, "warp_size": 32, "warp_context": 2, "pool_size": 4, "roi_batch_size": 8}


def staged_task(folder, steps=4):
    """Returns the task of a tiny R-CNN on twelve images of rectangles; proposals are kept in the folder."""
    proposals = {"folder": str(pathlib.Path(folder) / "proposals"), "method": "selective_search", "limit": 200}
    dataset = propose_by(rectangle_dataset(12, seed=1), **proposals)
    config = detection_config(
        "resnet",
        "rectangles",
        dataset,
        "digit_scenes",
        system="rcnn",
        proposals=proposals,
        options=OPTIONS,
        steps=steps,
        batch_size=4,
        **STAGES,
    )
    return Detection(config, dataset)


if __name__ == "__main__":
    tf.config.experimental.enable_op_determinism()
    svms.IMAGES_BETWEEN_SAVES, svms.NEW_NEGATIVES = 1, 100
    run = RunFolder(pathlib.Path(sys.argv[1]) / "run")
    train(staged_task(sys.argv[1]), run)
