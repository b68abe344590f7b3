"""`keras-resnets COMMAND`, which finds the commands, and the console scripts of setup.cfg."""

import configparser
import importlib.metadata
import pathlib

import pytest

import trainers

ROOT = pathlib.Path(__file__).parents[2]
MODULES = {path.stem for path in pathlib.Path(trainers.__file__).parent.glob("*.py")}


def listed(stdout):
    """Returns what a list of commands says, a dict of command -> summary."""
    lines = stdout.split("commands:\n")[1].splitlines()
    return {name: " ".join(summary) for name, *summary in map(str.split, lines)}


def console_scripts():
    """Returns the entry points of setup.cfg, a dict of script -> function."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    return dict(line.split(" = ") for line in lines if line)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_list_of_commands_needs_no_tensorflow(arguments, without_tensorflow):
    process = without_tensorflow("-m", "trainers", *arguments)
    assert process.returncode == 0 and process.stderr == ""
    commands = listed(process.stdout)
    assert commands["evaluate"] == "Measures a trained net on the test images, every one once."
    assert all(commands.values())
    assert {command.replace("-", "_") for command in commands} <= MODULES


@pytest.mark.parametrize(
    "command, message",
    [
        ("clasification", "'clasification' is unknown (did you mean classification?): use benchmark, class"),
        ("localization_rcn", "'localization_rcn' is unknown (did you mean localization-rcnn?): use benchmark"),
        ("engine", "'engine' is unknown: use benchmark"),
    ],
)
def test_an_unknown_command_ends_in_one_line(command, message, without_tensorflow):
    process = without_tensorflow("-m", "trainers", command)
    assert process.returncode == 1 and process.stdout == ""
    assert process.stderr.startswith(f"error: command {message}") and process.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["prediction-service", "prediction_service"])
def test_a_command_runs_by_its_name(command, run_command):
    process = run_command("trainers", command, "--help")
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout == run_command("trainers.prediction_service", "--help").stdout
    assert "--export" in process.stdout


def test_the_status_of_a_command_is_passed_on(tmp_path, run_command):
    process = run_command("trainers", "evaluate", f"--model_dir={tmp_path / 'none'}")
    assert process.returncode == 1 and process.stderr.splitlines()[-1].startswith("error: ")


def test_every_command_has_a_console_script(without_tensorflow):
    commands = listed(without_tensorflow("-m", "trainers").stdout)
    expected = {f"keras-resnets-{name}": f"trainers.{name.replace('-', '_')}:run" for name in commands}
    assert console_scripts() == {"keras-resnets": "trainers.__main__:run", **expected}


def test_console_scripts_can_be_loaded():
    for name, function in console_scripts().items():
        assert callable(importlib.metadata.EntryPoint(name, function, "console_scripts").load())
