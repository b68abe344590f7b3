"""The folder of a training run: what it was asked to do, what it logged, what came out."""

import contextlib
import fcntl
import json
import pathlib

from keras_resnets import ArgumentError
from keras_resnets.detection.options import with_new_option_names
from trainers.recipes.recipe import Recipe
from trainers.runtime.atomic_files import write_json, write_text

# What a run means whose recipe lacks a field that is newer than it.
OF_OLDER_RUNS = {f"recipe.{field}": getattr(Recipe, field) for field in ("decay", "bias_learning_rate")}


class RunFolder:
    """The files under `--model_dir`.

    - `config.json`: all that is needed to repeat the run;
    - `compilation.json`: whether XLA compiles the run's steps, which `--jit_compile=auto` has measured;
    - `checkpoints/`: written by `tf.train.CheckpointManager`; the one with the lowest error is in `best/`;
    - `lock`: held by the process that trains the run;
    - `metrics.jsonl`: a line for every logged step and every evaluation;
    - `tensorboard/`: the same figures for TensorBoard;
    - `results.json`: the final figures; it exists when the run is complete;
    - `learning_curve.png`;
    - `evaluation.json`, and, by the task, `confusion_matrix.png`, or `per_class.csv` and `precision_recall.png`,
      written by `trainers.evaluate`.

    Args:
        path: the folder.
        chief: whether this process writes; of several machines that train together, one does.

    Raises:
        ArgumentError: if the path is an address.
    """

    def __init__(self, path, chief=True):
        if "://" in str(path):
            raise ArgumentError(f"--model_dir={path} must be a folder: mount the bucket, and pass its path here.")
        self.path = pathlib.Path(path)
        self.chief = chief
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.learning_curve = self.path / "learning_curve.png"
        self.confusion_matrix = self.path / "confusion_matrix.png"
        self.per_class = self.path / "per_class.csv"
        self.precision_recall = self.path / "precision_recall.png"
        self._config = self.path / "config.json"
        self._compilation = self.path / "compilation.json"
        self._metrics = self.path / "metrics.jsonl"
        self._results = self.path / "results.json"
        self._evaluation = self.path / "evaluation.json"

    def check(self, config):
        """Checks that the folder is free, or its run was begun with the same configuration.

        Raises:
            ArgumentError: if it is not, naming the first difference.
        """
        if self.exists():
            _check_same(json.loads(json.dumps(config)), self.config(), self.path)
        elif self.chief and self.path.is_dir() and any(self.path.iterdir()):
            raise ArgumentError(f"--model_dir={self.path} is not empty and holds no run: choose another folder.")

    def exists(self):
        """Whether the run has begun."""
        return self._config.exists()

    def begin(self, config):
        """Checks the folder, and writes config.json for a new run."""
        self.check(config)
        if self.chief and not self.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self._config, config)

    @contextlib.contextmanager
    def locked(self):
        """Keeps other processes from training the run meanwhile; the lock ends with the process, however that ends.

        Raises:
            ArgumentError: if another process is training it.
        """
        if not self.chief:
            yield
            return
        with open(self.path / "lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArgumentError(
                    f"--model_dir={self.path}: another process is training this run: wait for it, stop it, or choose "
                    "another folder."
                ) from error
            yield

    def config(self):
        """Returns the content of config.json, options by their present names; raises ArgumentError where no run is."""
        if not self._config.is_file():
            raise ArgumentError(
                f"--model_dir={self.path} holds no run: train one with trainers.classification or trainers.detection."
            )
        try:
            config = json.loads(self._config.read_text())
        except ValueError as error:
            raise ArgumentError(f"{self._config} is damaged ({error}): train again in another folder.") from error
        return {**config, "options": with_new_option_names(config["options"])} if "options" in config else config

    def write_compilation(self, choice):
        """Writes compilation.json: a dict of `jit_compile`, whether XLA compiles, and the `reason` in words."""
        write_json(self._compilation, choice)

    def compilation(self):
        """Returns the content of compilation.json, or None while nothing has been measured, or where it is damaged."""
        try:
            choice = json.loads(self._compilation.read_text())
        except (FileNotFoundError, ValueError):
            return None
        is_whole = isinstance(choice, dict) and isinstance(choice.get("jit_compile"), bool) and "reason" in choice
        return choice if is_whole else None

    def drop_metrics_after(self, step):
        """Removes the lines that a run will write again when it goes on from `step`."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        if self.chief:
            write_text(self._metrics, "".join(json.dumps(line) + "\n" for line in kept))

    def log(self, **figures):
        """Appends one line to metrics.jsonl."""
        if self.chief:
            with self._metrics.open("a") as file:
                file.write(json.dumps(figures) + "\n")

    def metrics(self):
        """Returns the lines of metrics.jsonl as dicts; a last line that was cut off is left out."""
        if not self._metrics.exists():
            return []
        *lines, _ = self._metrics.read_text().split("\n")
        return [json.loads(line) for line in lines]

    def write_evaluation(self, figures):
        """Writes evaluation.json."""
        write_json(self._evaluation, figures)

    def finish(self, results):
        """Writes results.json."""
        if self.chief:
            write_json(self._results, results)

    def results(self):
        """Returns the content of results.json, or None while the run is not complete."""
        return json.loads(self._results.read_text()) if self._results.exists() else None


def begun_as(task, model_dir):
    """Returns the configuration of the run of a task, e.g. "detection", that a folder holds; None where it has none."""
    run = RunFolder(model_dir)
    config = run.config() if run.exists() else {}
    return config if config.get("task") == task else None


def _check_same(config, before, path):
    config, before = ({**OF_OLDER_RUNS, **_flat(one)} for one in (config, before))
    for key in [*config, *before]:
        # A choice that is newer than the run was not made: what it may be switched to is off.
        is_newer_and_off = key not in before and not config[key]
        if not key.startswith("versions") and not is_newer_and_off and config.get(key) != before.get(key):
            raise ArgumentError(
                f"--model_dir={path} holds a run with {key}={before.get(key)}, not {config.get(key)}: "
                "repeat its flags to go on with it, or choose another folder."
            )


def _flat(config):
    """Returns the fields of a configuration, those inside of others as "recipe.batch_size"."""
    flat = {}
    for key, value in config.items():
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat
