"""Benchmarks of building, training and evaluating classification nets."""

import dataclasses
import functools
import statistics
import tempfile
import time

import keras
import tensorflow as tf

import keras_resnets
from trainers.benchmarks.detection import inference_rates
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import loop_step, plain_step
from trainers.data.registry import open_dataset
from trainers.data.split import sample
from trainers.runtime.measuring import by_computation, in_new_process, in_turns, peak_gib, python
from trainers.runtime.progress import Progress
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices
from trainers.tasks.multi_view import MultiViewNet

PROTOCOL_IMAGES = {"ten_crop": 360, "twelve_crop": 360, "144_crop": 64}  # number of test images of each protocol
DEEP, DEEP_BATCH = 1202, 16


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


def train_cifar_resnet20(settings: Settings) -> dict:
    """Images/s of the loop's training step at batch 128, and of a plain Keras step without L2 and figures."""
    task, _, step = loop_step("cifar_resnet20", 128, open_dataset("digits"))
    plain = plain_step(task.build_model())
    images, labels = tf.random.normal((128, 32, 32, 3)), tf.zeros((128,), tf.int32)
    steps = {"loop": step, "plain Keras": functools.partial(plain, images, labels)}
    in_turns(steps, 1)  # traces the steps
    rates = {name: 128 / seconds for name, seconds in in_turns(steps, 5 * settings.repeats).items()}
    return {**rates, "ratio": rates["loop"] / rates["plain Keras"], "unit": "images/s"}


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


def rematerialization(settings: Settings) -> dict:
    """Peak memory in GiB and images/s of training 110 and 302 layers at batch 64, with and without --remat."""
    figures = {}
    for depth in (110, 302):
        plain, remat = (in_new_process(_training_cost, depth, remat, settings.repeats) for remat in (False, True))
        for name in plain:
            figures[f"{name}_{depth}"] = plain[name]
            figures[f"{name}_{depth}_remat"] = remat[name]
            figures[f"{name}_{depth}_ratio"] = remat[name] / plain[name]
    return figures


def _training_cost(depth, remat, repeats):
    _, _, step = loop_step(f"cifar_resnet{depth}", 64, open_dataset("digits"), remat=remat)
    return {**_step_times(step, 64, repeats), "peak_gib": peak_gib()}


def cifar_resnet1202(settings: Settings) -> dict:
    """Seconds to build, first train, save and load CifarResNet(1202); images/s and GiB of its training at batch 16."""
    with tempfile.TemporaryDirectory() as folder:
        figures = in_new_process(_deep_training, f"{folder}/deep.keras", settings.repeats)
        figures |= in_new_process(_deep_loading, f"{folder}/deep.keras")
    return {**figures, "target": "build_seconds at most 60, peak_gib at most 24"}


def _deep_training(path, repeats):
    start = time.perf_counter()
    model = keras_resnets.CifarResNet(DEEP, classifier_activation=None)
    figures = {"build_seconds": time.perf_counter() - start}
    images, labels = tf.random.normal((DEEP_BATCH, 32, 32, 3)), tf.zeros((DEEP_BATCH,), tf.int32)
    figures |= _step_times(functools.partial(plain_step(model), images, labels), DEEP_BATCH, repeats)
    start = time.perf_counter()
    model.save(path)
    return {**figures, "save_seconds": time.perf_counter() - start, "peak_gib": peak_gib()}


def _deep_loading(path):
    start = time.perf_counter()
    keras.saving.load_model(path)
    return {"load_seconds": time.perf_counter() - start}


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


def _step_times(step, images, repeats):
    """Returns the seconds of a step's first call, which traces it, and the images/s of later calls."""
    start = time.perf_counter()
    step()
    first_step_seconds = time.perf_counter() - start
    seconds = in_turns({"step": step}, repeats)["step"]
    return {"first_step_seconds": first_step_seconds, "images_per_second": images / seconds}
