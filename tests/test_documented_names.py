"""The modules, the names in them and the files that documents, docstrings and comments mention exist."""

import ast
import pathlib
import re
import tokenize

import pytest
from imports import read_sources

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("keras_resnets", "trainers")
CODE = (*PACKAGES, "tests")
DOCUMENTS = ("*.md", "docs/**/*.md", "saved_models/*.md", "trainers/*.md")
NAME = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z]\w*)+(?![\w/])")
FOLDERS = (*CODE, "docs", "findings", "saved_models", ".ci", ".github")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w")
IMPORT = re.compile(rf"^\s*from ((?:{'|'.join(PACKAGES)})[\w.]*) import (.+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PLACEHOLDERS = {"trainers.COMMAND", "saved_models/MODEL_DATASET", "saved_models/ensemble_DATASET"}


def texts(path):
    """Yields (line, text) of a document's lines, or of the comments and docstrings of a Python file."""
    if path.suffix == ".md":
        for line, text in enumerate(path.read_text().splitlines(), 1):
            # The left column of the changelog's tables has old names.
            yield line, re.sub(r"^\|[^|]*\|", "", text) if path.name == "CHANGELOG.md" else text
        return
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith(("from ", "import "))]
    if not any(NAME.search(line) or PATH.search(line) for line in lines):
        return  # without reading its syntax, which takes time
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (docstring := ast.get_docstring(node)):
            yield node.body[0].lineno, docstring


def exists(root, name):
    """Whether a dotted name is a module of the packages, or something that one of them defines or imports."""
    sources = read_sources(root, *CODE)
    parts = name.split(".")
    length = next(length for length in range(len(parts), -1, -1) if length == 0 or ".".join(parts[:length]) in sources)
    module, names = ".".join(parts[:length]), parts[length:]
    if not module or not names:
        return bool(module)
    source = sources[module]
    for found in source.imports:
        if found.bound == names[0]:
            return exists(root, ".".join(filter(None, [found.module, found.name, *names[1:]])))
    return _defines(source.syntax, names)


def _defines(syntax, names):
    """Whether a module or class defines the first name, which is a class that defines the next one, and so on."""
    for node in syntax.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        bound = {found.id for target in targets if target for found in ast.walk(target) if isinstance(found, ast.Name)}
        if names[0] in bound | {getattr(node, "name", None)}:
            return len(names) == 1 or isinstance(node, ast.ClassDef) and _defines(node, names[1:])
    return False


def missing(root, path):
    """Returns "path:line: name" of all that a file mentions and that does not exist."""
    problems = []
    for line, text in texts(path):
        names = NAME.findall(text)
        if path.suffix == ".md" and (found := IMPORT.match(text)):
            names += [f"{found[1]}.{name.strip()}" for name in found[2].split(",")]
        names = [name for name in names if not exists(root, name)]
        names += [name for name in PATH.findall(text) if not (root / name).exists()]
        names += [name for name in LINK.findall(text) if path.suffix == ".md" and not (path.parent / name).exists()]
        problems += [f"{path.relative_to(root)}:{line}: {name}" for name in sorted({*names} - PLACEHOLDERS)]
    return problems


def test_what_is_mentioned_exists():
    paths = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
    paths += [ROOT / source.path for source in read_sources(ROOT, *CODE).values()]
    problems = [problem for path in paths for problem in missing(ROOT, path)]
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize(
    "name, text, found",
    [
        ("A.md", "`trainers.data.a`, `trainers.data.a.A.b`, `trainers.data.C` and [a](trainers/data/a.py)", []),
        ("A.md", "`trainers.data.b`\n`trainers.data.a.B`", ["A.md:1: trainers.data.b", "A.md:2: trainers.data.a.B"]),
        ("A.md", "    from trainers.data.a import A, B", ["A.md:1: trainers.data.a.B"]),
        ("A.md", "`trainers.data.a.A.c` and [b](docs/b.md)", 2 * ["A.md:1"]),
        ("CHANGELOG.md", "| `trainers.old` | `trainers.new` |", ["CHANGELOG.md:1: trainers.new"]),
        (
            "tests/a.py",
            '"""A.\n\nSee docs/a.md."""\nX = "docs/b.md"  # see trainers.old',
            ["tests/a.py:1", "tests/a.py:4"],
        ),
    ],
)
def test_says_where_a_missing_name_is(name, text, found, tmp_path):
    (tmp_path / "tests").mkdir()
    folder = tmp_path / "trainers" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").write_text("from trainers.data.a import A as C")
    (folder / "a.py").write_text("class A:\n    b = 1")
    (tmp_path / name).write_text(text)
    problems = sorted(missing(tmp_path, tmp_path / name))
    assert len(problems) == len(found) and all(map(str.startswith, problems, found)), problems
