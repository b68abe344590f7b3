"""The architecture of both packages: which folder uses which, and that their files keep to it.

The levels of a package are written from the lowest to the highest. A folder uses only those of lower levels; folders of
the same level do not use each other. Files of a folder use each other as they like, but never in a circle.
"""

import ast
import graphlib
import pathlib
import re

import pytest
from imports import private_names, read_sources

ENTRANCES = ("", "__main__")  # of a package: they may use all of it
FOLDERS = ("keras_resnets", "trainers", "tests")
ROOT = pathlib.Path(__file__).parents[1]
LEVELS = {
    # The library. It knows nothing of `trainers`.
    "keras_resnets": [
        {
            "errors": "ArgumentError, which every refusal of an argument raises",
            "file_lock": "locks of files and folders, which exclude other processes",
        },
        {
            "values": "sets of values that arguments can have",
        },
        {
            "deprecation": "old names of arguments, which warn",
            "dtype_policies": "Keras's dtype policy for a block of code",
            "initializers": "initial weights, as the papers draw them",
            "normalization": "mean and standard deviation of images",
            "xla": "whether a graph is for XLA",
        },
        {
            "images": "image files: what they are, and their decoding",
            "ops": "arithmetic of boxes and images on tensors, without weights",
        },
        {"layers": "layers that Keras does not have"},
        {"surgery": "changes to built nets"},
        {"weights": "reading published and saved weights into nets"},
        {
            "models": "classification nets, one file for each family, and their registry",
            "analysis": "what a built net computes: gradients, layer responses",
            "multiply_adds": "the cost of a built net",
        },
        {
            "detection": "two-stage detectors and localizers, built on the nets",
            "preprocessing": "preprocessing of images for the nets of the registry",
        },
        {"serving": "exports, sessions that run them, and clients of servers"},
    ],
    # The commands, which are the files beside the folders, and what they share. They use the library.
    "trainers": [
        {
            "recipes": "hyperparameters, one row for each recipe",
            "metrics": "error rates and average precisions, of NumPy arrays",
            "runtime": "the machine and the process: devices, files, signals, error messages",
        },
        {
            "engine": "the training loop and its state, for any task",
            "data": "data sets and input pipelines",
            "plots": "plots of results, and boxes drawn on images",
        },
        {"tasks": "the tasks: classification, detection, localization"},
        {
            "serving": "trained nets in use: exports, predictions, servers",
            "evaluation": "evaluation of runs, and of region proposals",
            "flags": "flags that several commands share",
        },
        {
            "experiments": "the papers' experiments, one file for each",
            "benchmarks": "benchmarks of speed and memory",
            "readme": "the table of all nets in README.md",
        },
    ],
}
LONGEST_COMMAND = 130  # lines, less than which a command has


def files_import_no_circle(root):
    sources = _sources(root, *LEVELS)
    graph = {module: {found.module for found in source.imports} for module, source in sources.items()}
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
            return
        except graphlib.CycleError as error:
            _, *circle = error.args[1][::-1]  # Each imports the next one, and the last one the first.
        first = circle.index(min(circle))
        module, used, *_ = circle = [*circle[first:], *circle[: first + 1]]
        line = next(found.line for found in sources[module].imports if found.module == used)
        graph[module].discard(used)
        yield (
            f"{sources[module].path}:{line}: imports {used}, in a circle ({' -> '.join(circle)}): "
            "move what they share into a file that imports none of them."
        )


def folders_use_lower_ones_only(root):
    for module, source in _sources(root, *LEVELS).items():
        package, part = _place(module)
        for found in source.imports:
            used_package, used = _place(found.module)
            if used_package != package or used == part or part in ENTRANCES:
                continue
            level, used_level = _level(package, part), _level(package, used)
            if used_level >= level:
                where = "the same level" if used_level == level else "a higher level"
                yield (
                    f"{source.path}:{found.line}: imports {found.module}, of {where}: "
                    "move what is needed into a lower folder, or let the caller pass it."
                )


def folders_have_a_level(root):
    commands = _commands(root)
    for module, source in _sources(root, *LEVELS).items():
        package, part = _place(module)
        if part not in ENTRANCES and module not in commands and part not in set().union(*LEVELS[package]):
            yield f"{source.path}:1: has no level: move it into a folder that has one, or add its folder to LEVELS."


def the_library_does_not_know_trainers(root):
    for source in _sources(root, "keras_resnets").values():
        for found in source.imports:
            if _place(found.module)[0] == "trainers":
                yield (
                    f"{source.path}:{found.line}: imports {found.module}: "
                    "move what is needed into keras_resnets, or let trainers pass it."
                )


def nothing_imports_a_command(root):
    commands = _commands(root)
    for source in read_sources(root, *FOLDERS).values():
        for line, module in sorted({(found.line, found.module) for found in source.imports}):
            if module in commands:
                yield (
                    f"{source.path}:{line}: imports the command {module}: "
                    "import what the command calls from its folder, or run the command in a process."
                )


def private_names_stay_in_their_files(root):
    for source in read_sources(root, *FOLDERS).values():
        for line, name in private_names(source):
            yield (
                f"{source.path}:{line}: uses the private name {name}: "
                "use what its file offers, or make the name public, with a docstring."
            )


def files_beside_the_folders_are_commands(root):
    for source in _commands(root).values():
        defined = {node.name for node in source.syntax.body if isinstance(node, ast.FunctionDef)}
        if missing := sorted({"run", "_main"} - defined):
            yield f"{source.path}:1: is no command, without {' and '.join(missing)}: move it into a folder."
        if source.lines >= LONGEST_COMMAND:
            yield (
                f"{source.path}:{LONGEST_COMMAND}: is too long, since a command is flags and one call: "
                f"move the rest into a folder, until it has less than {LONGEST_COMMAND} lines."
            )


def folders_say_what_they_are_for(root):
    sources = _sources(root, *LEVELS)
    for folder in sorted({folder for source in sources.values() for folder in source.path.parents[:-1]}):
        source = sources.get(".".join(folder.parts))
        docstring = source and ast.get_docstring(source.syntax)
        if not docstring or len(docstring.splitlines()) > 1:
            yield f"{folder}/__init__.py:1: has no docstring of one line: say in it what the folder is for."


def the_map_names_folders_and_commands(root):
    """trainers/README.md has a line for each, which starts with its level and names the folders in a folder."""
    expected = {f"{_place(command)[1]}.py": (len(LEVELS["trainers"]) + 1, set()) for command in _commands(root)}
    for source in _sources(root, "trainers").values():
        for folder in source.path.parents[:-2]:
            _, part, *inner = folder.parts
            _, names = expected.setdefault(f"{part}/", (_level("trainers", part) + 1, set()))
            names.update(inner)
    rows = re.findall(r"^ {4}(\d) (\S+)(.*)", (root / "trainers" / "README.md").read_text(), re.MULTILINE)
    found = {name: (int(level), set(re.findall("`([a-z_]+)/`", text))) for level, name, text in rows}
    for name in sorted(expected.keys() | found.keys()):
        if name not in expected:
            yield f"trainers/README.md:1: has a line for {name}, which is not there: leave it out."
        elif found.get(name) != expected[name]:
            level, inner = expected[name]
            yield (
                f"trainers/README.md:1: has no right line for {name}: "
                f"write one of level {level}{''.join(f' that names `{folder}/`' for folder in sorted(inner))}."
            )


def errors_come_from_their_file(root):
    """A command imports ArgumentError before TensorFlow, when keras_resnets/__init__.py has not been run yet."""
    for source in _sources(root, "trainers").values():
        for found in source.imports:
            if (found.module, found.name) == ("keras_resnets", "ArgumentError"):
                yield (
                    f"{source.path}:{found.line}: imports ArgumentError from keras_resnets: "
                    "import it from keras_resnets.errors, which needs no TensorFlow."
                )


RULES = [
    files_import_no_circle,
    folders_use_lower_ones_only,
    folders_have_a_level,
    the_library_does_not_know_trainers,
    nothing_imports_a_command,
    private_names_stay_in_their_files,
    files_beside_the_folders_are_commands,
    folders_say_what_they_are_for,
    the_map_names_folders_and_commands,
    errors_come_from_their_file,
]


def _sources(root, *packages):
    """Returns the sources of packages, by their modules' names."""
    return {name: source for name, source in read_sources(root, *FOLDERS).items() if _place(name)[0] in packages}


def _commands(root):
    """Returns the sources of all commands, which are the files beside the folders of trainers."""
    return {
        name: source
        for name, source in _sources(root, "trainers").items()
        if len(source.path.parts) == 2 and source.path.stem not in ("__init__", "__main__")
    }


def _place(module):
    """Returns the package of a module, and the folder or file of the package that it is in."""
    package, part, *_ = [*module.split("."), ""]
    return package, part


def _level(package, part):
    """Returns the level of a folder or file of a package; commands are above all folders."""
    levels = [level for level, parts in enumerate(LEVELS[package]) if part in parts]
    return levels[0] if levels else len(LEVELS[package])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_both_packages_keep_to_the_rule(rule):
    problems = list(rule(ROOT))
    assert not problems, "\n" + "\n".join(problems)


def test_the_levels_name_what_there_is():
    there = {_place(module) for module in _sources(ROOT, *LEVELS)}
    assert {(package, part) for package, levels in LEVELS.items() for part in set().union(*levels)} <= there


COMMAND = "def _main(arguments):\n    pass\n\n\ndef run():\n    pass\n"  # 6 lines


@pytest.mark.parametrize(
    "rule, files, places",
    [
        (
            files_import_no_circle,
            {
                "trainers/data/a.py": "from trainers.data import b",
                "trainers/data/b.py": "def f():\n    from . import a",
                "trainers/data/itself.py": "import trainers.data.itself",
            },
            ["trainers/data/a.py:1", "trainers/data/itself.py:1"],
        ),
        (
            files_import_no_circle,  # An import that never runs closes none.
            {
                "trainers/data/a.py": "import typing\nif typing.TYPE_CHECKING:\n    from trainers.data import b",
                "trainers/data/b.py": "import trainers.data.a",
            },
            [],
        ),
        (
            folders_use_lower_ones_only,
            {
                "keras_resnets/layers/a.py": "",
                "keras_resnets/ops/a.py": "def f():\n    import keras_resnets.layers.a",
                "trainers/data/a.py": "from trainers.runtime import a",
                "trainers/engine/a.py": "import keras_resnets.layers.a\nfrom trainers.data.a import A",
                "trainers/runtime/a.py": "from ..tasks import a",
                "trainers/tasks/a.py": "import trainers.engine.a",
            },
            ["keras_resnets/ops/a.py:2", "trainers/engine/a.py:2", "trainers/runtime/a.py:1"],
        ),
        (
            folders_have_a_level,
            {"keras_resnets/a.py": "", "trainers/helpers/a.py": "", "trainers/train.py": "", "trainers/data/a.py": ""},
            ["keras_resnets/a.py:1", "trainers/helpers/a.py:1"],
        ),
        (
            the_library_does_not_know_trainers,
            {"keras_resnets/ops/a.py": "import numpy\n\nfrom trainers.data import a", "trainers/data/a.py": ""},
            ["keras_resnets/ops/a.py:3"],
        ),
        (
            nothing_imports_a_command,
            {
                "trainers/train.py": COMMAND,
                "trainers/other.py": "from trainers.train import run",
                "tests/test_train.py": "def test():\n    from trainers import train",
            },
            ["trainers/other.py:1", "tests/test_train.py:2"],
        ),
        (
            private_names_stay_in_their_files,
            {
                "trainers/data/a.py": "_B = 1\n\n\nclass A:\n    def __init__(self):\n        self._b = _B",
                "tests/test_a.py": "from trainers.data import a\nfrom trainers.data.a import A, _B\n\n"
                "assert A._b == a._B\nassert a.__doc__ is None\nsetattr(a, '_B', 2)",
            },
            ["tests/test_a.py:2", "tests/test_a.py:4", "tests/test_a.py:4", "tests/test_a.py:6"],
        ),
        (
            files_beside_the_folders_are_commands,
            {
                "trainers/__init__.py": "",
                "trainers/__main__.py": "",
                "trainers/long.py": COMMAND + 124 * "\n",
                "trainers/shared.py": "def run():\n    pass",
                "trainers/short.py": COMMAND + 123 * "\n",
            },
            ["trainers/long.py:130", "trainers/shared.py:1"],
        ),
        (
            folders_say_what_they_are_for,
            {
                "trainers/__init__.py": '"""Commands."""',
                "trainers/data/__init__.py": '"""Data sets.\n\nAll of them.\n"""',
                "trainers/data/sources/a.py": "",
                "trainers/plots/__init__.py": "",
            },
            ["trainers/data/__init__.py:1", "trainers/data/sources/__init__.py:1", "trainers/plots/__init__.py:1"],
        ),
        (
            the_map_names_folders_and_commands,
            {
                "trainers/README.md": "    6 train.py\n    1 engine/\n    2 data/\n    3 tasks/ `stages/`\n    2 old/",
                "trainers/train.py": COMMAND,
                "trainers/new.py": COMMAND,
                "trainers/engine/a.py": "",
                "trainers/data/sources/a.py": "",
                "trainers/tasks/stages/a.py": "",
            },
            4 * ["trainers/README.md:1"],  # data/, engine/, new.py and old/
        ),
        (
            errors_come_from_their_file,
            {
                "keras_resnets/__init__.py": "from keras_resnets.errors import ArgumentError as ArgumentError",
                "keras_resnets/errors.py": "class ArgumentError(ValueError):\n    pass",
                "tests/test_a.py": "from keras_resnets import ArgumentError",
                "trainers/data/a.py": "from keras_resnets.errors import ArgumentError",
                "trainers/data/b.py": "from keras_resnets import ArgumentError",
            },
            ["trainers/data/b.py:1"],
        ),
    ],
)
def test_a_rule_says_where_a_tree_is_against_it(rule, files, places, tmp_path):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    problems = list(rule(tmp_path))
    assert sorted(problem.split(": ")[0] for problem in problems) == sorted(places)
    assert all(problem.count(": ") == 2 for problem in problems)  # where, what, the remedy
