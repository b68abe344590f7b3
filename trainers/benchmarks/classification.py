"""Benchmarks of building, compiling and evaluating classification nets."""

import dataclasses
import statistics

import keras
import tensorflow as tf

import keras_resnets
from trainers.benchmarks.detection import inference_rates
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import loop_step
from trainers.data.registry import open_dataset
from trainers.data.split import sample
from trainers.runtime.measuring import by_computation, in_new_process, in_turns, python
from trainers.runtime.progress import Progress
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices
from trainers.tasks.multi_view import MultiViewNet

PROTOCOL_IMAGES = {"ten_crop": 360, "twelve_crop": 360, "144_crop": 64}  # number of test images of each protocol


def import_time(settings: Settings) -> dict:
    """Seconds that `import keras_resnets` adds to `import keras`, in new processes."""
    program = (
        "import keras, time; start = time.perf_counter(); import keras_resnets; print(time.perf_counter() - start)"
    )
    seconds = [float(python(program).split()[-1]) for _ in range(settings.repeats)]
    return {"seconds": statistics.median(seconds), "target": "at most 0.3"}


def build_resnet101(settings: Settings) -> dict:
    """Seconds to build ResNet101 here and in keras.applications."""
    seconds = in_turns(
        {
            "keras_resnets": keras_resnets.ResNet101,
            "keras.applications": lambda: keras.applications.ResNet101(weights=None),
        },
        settings.repeats,
    )
    return {**seconds, "ratio": seconds["keras_resnets"] / seconds["keras.applications"], "target": "ratio at most 1"}


def jit_compile(settings: Settings) -> dict:
    """Images/s of training ResNet-20 and ResNet-50 and of Faster R-CNN's inference: see `by_computation`."""
    return {
        "cifar_resnet20": in_new_process(training_rates, "cifar_resnet20", 128, 32, 5 * settings.repeats),
        "resnet50": in_new_process(training_rates, "resnet50", 16, 224, settings.repeats),
        "faster_rcnn_resnet101": in_new_process(inference_rates, "resnet101", settings.repeats),
    }


def training_rates(model: str, batch_size: int, image_size: int, repeats: int) -> dict[str, float]:
    """Returns images/s of a net's training step on digits: see `by_computation`.

    Args:
        model: name in the registry.
        batch_size: images of a step.
        image_size: side of the net's input in pixels.
        repeats: number of steps that are timed for each computation.
    """

    def make(precision, jit_compile):
        changes = {"precision": precision, "jit_compile": jit_compile, "image_size": image_size}
        return loop_step(model, batch_size, open_dataset("digits"), **changes)[-1]

    return by_computation(make, batch_size, repeats)


def protocols(settings: Settings) -> dict:
    """Seconds to evaluate digits with each multi-crop protocol, and of plain passes over as many random images."""
    figures = {name: _protocol(name, images, settings.repeats) for name, images in PROTOCOL_IMAGES.items()}
    return {**figures, "target": "ratio at most 1.2"}


def _protocol(name, images, repeats):
    dataset = open_dataset("digits")
    dataset = dataclasses.replace(dataset, test=sample(dataset.test, images))
    task = Classification(configure(Choices("digits", dataset, "digits"), "cifar_resnet20"), dataset)
    model = task.build_model()
    member = MultiViewNet("a run", task, model, 0, name)
    views = dataset.test.size * member.protocol.views_of_an_image
    plain = tf.function(lambda batch: tf.nn.softmax(model(batch, training=False)))
    batch = tf.random.uniform((task.evaluation_batch_size(), task.preprocessing.size, task.preprocessing.size, 3))
    functions = {
        "evaluation": lambda: member.predict(dataset, Progress(views, name, "views", shown=False)),
        "plain": lambda: [plain(batch).numpy() for _ in range(-(-views // len(batch)))],
    }
    in_turns(functions, 1)  # traces the functions
    seconds = in_turns(functions, repeats)
    return {**seconds, "ratio": seconds["evaluation"] / seconds["plain"], "views": views}
