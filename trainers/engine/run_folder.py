"""The folder of a training run: its configuration, logs, checkpoints and results."""

import contextlib
import json
import os
import pathlib
import tempfile

from keras_resnets.errors import ArgumentError, check_folder, first_line
from keras_resnets.file_lock import locked
from trainers.engine.older_runs import was_in_older_runs, with_present_names, with_present_settings
from trainers.runtime.atomic_files import write_json, write_text


class RunFolder:
    """The files under `--model_dir`.

    - `config.json`: everything that is needed to repeat the run. If it was given more steps, `earlier_steps` lists the
      numbers of steps before;
    - `compilation.json`: what `--jit_compile=auto` has measured and chosen;
    - what the task's `examine` writes before the first step, of a detector `anchors.json`;
    - `checkpoints/`: of `tf.train.CheckpointManager`; the checkpoint with the lowest error is in `best/`;
    - `lock`: held by the process that trains the run;
    - `metrics.jsonl`: a line for every logged step and every evaluation;
    - `tensorboard/`: the same figures for TensorBoard;
    - `results.json`: the final figures; it exists when the run is complete;
    - `learning_curve.png`;
    - `range_test.png` of `--find_learning_rate`, which may be there before the run;
    - `evaluation.json` of `trainers.evaluate`, and the files of the task's `report`.

    Args:
        path: the folder.
        chief: whether this process writes the files. One of several machines that train together does.

    Raises:
        ArgumentError: if the path is an address, or a file.
    """

    def __init__(self, path: str | os.PathLike, chief: bool = True):
        if "://" in str(path):
            raise ArgumentError(f"--model_dir={path} must be a folder: mount the bucket, and pass its path here.")
        self.path = pathlib.Path(path)
        check_folder("--model_dir", path)
        self.chief = chief
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.range_test = self.path / "range_test.png"
        self.learning_curve = self.path / "learning_curve.png"
        self._config = self.path / "config.json"
        self._compilation = self.path / "compilation.json"
        self._metrics = self.path / "metrics.jsonl"
        self._results = self.path / "results.json"
        self._evaluation = self.path / "evaluation.json"

    def check(self, config: dict) -> None:
        """Checks that the folder is empty, or holds a run with the same configuration, or with fewer steps.

        Raises:
            ArgumentError: if not, with the first difference.
        """
        if self.exists():
            before, config = self.config(), json.loads(json.dumps(config))
            _check_same(config, _of_length(config, before) if _is_longer(config, before) else before, self.path)
        elif self.chief and self.path.is_dir() and any(path != self.range_test for path in self.path.iterdir()):
            raise ArgumentError(f"--model_dir={self.path} is not empty and holds no run: choose another folder.")

    def exists(self) -> bool:
        """Whether the run has begun."""
        return self._config.exists()

    def check_writable(self) -> None:
        """Checks that files can be written, before a computation whose results belong here.

        Raises:
            ArgumentError: if not.
        """
        try:
            tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            raise ArgumentError(
                f"--model_dir={self.path} cannot be written ({error.strerror}), and the results belong there: make it "
                "writable, or copy the run, and pass the copy."
            ) from error

    def begin(self, config: dict) -> None:
        """Checks the folder, and writes config.json for a new run."""
        self.check(config)
        if self.chief and not self.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self._config, config)

    def reopen(self, config: dict) -> int | None:
        """Writes the configuration's number of steps, if it is larger than that of the locked run.

        Returns:
            The number of steps before, if the configuration has more; else None, and on other machines than the first.
        """
        if not self.chief:  # The files of the first machine may not be there yet.
            return None
        before = self.config()
        if not _is_longer(config, before):
            return None
        lengths = [*before.get("earlier_steps", []), before["steps"]]
        write_json(self._config, {**_of_length(config, before), "earlier_steps": lengths})
        return before["steps"]

    @contextlib.contextmanager
    def locked(self):
        """Locks the run against other processes that train it. The lock ends with the process, however that ends.

        Raises:
            ArgumentError: if another process is training it.
        """
        if not self.chief:
            yield
            return

        def refuse():
            raise ArgumentError(
                f"--model_dir={self.path}: another process is training this run: wait for it, stop it, or choose "
                "another folder."
            )

        with locked(self.path / "lock", on_wait=refuse):
            yield

    def config(self) -> dict:
        """Returns the content of config.json, with the present names of options.

        Raises:
            ArgumentError: if there is no run, or the file is damaged.
        """
        if not self._config.is_file():
            raise ArgumentError(f"--model_dir={self.path} holds no run: train one there first.")
        config = _parsed(self._config.read_bytes(), self._config, "train again in another folder")
        return with_present_names(config)

    def write_compilation(self, choice: dict) -> None:
        """Writes compilation.json: a dict of `jit_compile`, whether XLA compiles, and the `reason` in words."""
        write_json(self._compilation, choice)

    def compilation(self) -> dict | None:
        """Returns the content of compilation.json; None if it does not exist or is damaged."""
        try:
            choice = json.loads(self._compilation.read_text())
        except (FileNotFoundError, ValueError):
            return None
        is_whole = isinstance(choice, dict) and isinstance(choice.get("jit_compile"), bool) and "reason" in choice
        return choice if is_whole else None

    def drop_metrics_after(self, step: int) -> None:
        """Removes the lines of metrics.jsonl that a run writes again when it goes on from `step`."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        if self.chief:
            write_text(self._metrics, "".join(json.dumps(line) + "\n" for line in kept))

    def log(self, **figures) -> None:
        """Appends one line to metrics.jsonl."""
        if self.chief:
            with self._metrics.open("a") as file:
                file.write(json.dumps(figures) + "\n")

    def metrics(self) -> list[dict]:
        """Returns the lines of metrics.jsonl as dicts, without an incomplete last line.

        Raises:
            ArgumentError: if the file is damaged.
        """
        if not self._metrics.exists():
            return []
        *lines, _ = self._metrics.read_bytes().split(b"\n")
        return [
            _parsed(line, f"line {number} of {self._metrics}", "remove the line")
            for number, line in enumerate(lines, start=1)
        ]

    def evaluations(self) -> list[dict]:
        """Returns the lines of metrics.jsonl that are evaluations."""
        return [line for line in self.metrics() if "loss" not in line]

    def write_evaluation(self, figures: dict) -> None:
        """Writes evaluation.json."""
        write_json(self._evaluation, figures)

    def finish(self, results: dict) -> None:
        """Writes results.json."""
        if self.chief:
            write_json(self._results, results)

    def remove_results(self) -> None:
        """Removes results.json: the run has gone on, and has a newer checkpoint."""
        if self.chief:
            self._results.unlink(missing_ok=True)

    def results(self) -> dict | None:
        """Returns the content of results.json, or None while the run is not complete.

        Raises:
            ArgumentError: if the file is damaged.
        """
        if not self._results.exists():
            return None
        remedy = "remove it, and give the command that trains the run again"
        return _parsed(self._results.read_bytes(), self._results, remedy)

    def takes_best(self) -> bool:
        """Whether the run is complete, and its result is the best checkpoint: see --patience."""
        return "patience" in (self.results() or {})


def begun_as(task: str, model_dir: str | os.PathLike) -> dict | None:
    """Returns the configuration of a folder's run; None if it holds no run of this task, for example "detection"."""
    run = RunFolder(model_dir)
    config = run.config() if run.exists() else {}
    return config if config.get("task") == task else None


def _parsed(content, place, remedy):
    """Returns the dict that bytes of JSON hold, or raises ArgumentError that they are damaged."""
    try:
        parsed = json.loads(content)
        if not isinstance(parsed, dict):
            raise ValueError(f"it holds a {type(parsed).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{place} is damaged ({first_line(error)}): {remedy}.") from error
    return parsed


def _is_longer(config, before):
    """Whether a configuration was given more steps. With the same length, more steps are those of other data."""
    return config["steps"] > before["steps"] and _length(config) != _length(before)


def _of_length(config, before):
    """Returns a run's configuration with the length of another one."""
    return {**before, "steps": config["steps"], "recipe": {**before["recipe"], **_length(config)}}


def _length(config):
    return {name: config["recipe"][name] for name in ("epochs", "steps")}


def _check_same(config, before, path):
    config, before = (with_present_settings(_flat(one)) for one in (config, before))
    for key in [*config, *before]:
        is_newer_and_same = key not in before and was_in_older_runs(key, config[key])
        is_history = key.startswith(("versions", "earlier_steps"))
        if not is_history and not is_newer_and_same and config.get(key) != before.get(key):
            # Everything that the number of steps follows from comes before it, but for the number of images.
            remedy = "the data set has changed: restore it" if key == "steps" else "repeat its flags"
            raise ArgumentError(
                f"--model_dir={path} holds a run with {key}={before.get(key)}, not {config.get(key)}: "
                f"{remedy} to go on with it, or choose another folder."
            )


def _flat(config):
    """Returns a configuration with the fields of its dicts as "recipe.batch_size"."""
    flat = {}
    for key, value in config.items():
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat
