"""What Python files import, read from their text: nothing is run."""

import ast
import dataclasses
import functools
import pathlib


@dataclasses.dataclass(frozen=True)
class Import:
    """An import of a file of the tree, at the top of a file or in a function.

    Attributes:
        line: of the file that imports.
        module: the imported file's dotted name; a folder's is that of its `__init__.py`.
        name: what is taken from the file; None for the file itself.
        bound: the name that the importing file knows it by.
    """

    line: int
    module: str
    name: str | None
    bound: str


@dataclasses.dataclass(frozen=True)
class Source:
    """A file: its path below the root, its syntax tree, its number of lines, and its imports of files of the tree."""

    path: pathlib.PurePath
    syntax: ast.Module
    lines: int
    imports: tuple[Import, ...]


@functools.cache
def read_sources(root, *folders):
    """Returns a dict of dotted names to the `Source` of every Python file in some folders of a tree."""
    files = [path for folder in folders for path in sorted(root.glob(f"{folder}/**/*.py"))]
    paths = {_dotted(path.relative_to(root)): path for path in files}
    return {module: _read(root, module, path, paths) for module, path in paths.items()}


def _read(root, module, path, modules):
    """Returns the `Source` of a file; `modules` are the dotted names of all files of the tree."""
    text = path.read_text()
    syntax = ast.parse(text)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imports = [found for node in _that_run(syntax) for found in _imports(node, package, modules)]
    imports.sort(key=lambda found: found.line)
    return Source(path.relative_to(root), syntax, len(text.splitlines()), tuple(imports))


def _dotted(path):
    """Returns the dotted name of a file below the root."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _that_run(syntax):
    """Yields the nodes of a file, except those under `if TYPE_CHECKING`."""
    nodes = [syntax]
    while nodes:
        node = nodes.pop()
        yield node
        guard = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        nodes += node.orelse if guard else ast.iter_child_nodes(node)


def _imports(node, package, modules):
    """Yields the `Import`s of a node in a file of `package`; imports of other packages are left out."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            if alias.name in modules:
                yield Import(node.lineno, alias.name, None, bound)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            bound = alias.asname or alias.name
            if f"{module}.{alias.name}" in modules:
                yield Import(node.lineno, f"{module}.{alias.name}", None, bound)
            elif module in modules:
                yield Import(node.lineno, module, alias.name, bound)


def private_names(source):
    """Returns the line and the text of each use of a private name of another file: `from x import _y`, or `x._y`."""
    known = {found.bound for found in source.imports}
    uses = {(found.line, f"{found.module}.{found.name}") for found in source.imports if _is_private(found.name)}
    for node in ast.walk(source.syntax):
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and _root(node) in known:
            uses.add((node.lineno, ast.unparse(node)))
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            owner, name = node.args[:2]  # as in monkeypatch.setattr(x, "_y", ...)
            if _root(owner) in known and isinstance(name, ast.Constant) and _is_private(name.value):
                uses.add((node.lineno, f"{ast.unparse(owner)}.{name.value}"))
    return sorted(uses)


def _is_private(name):
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def _root(node):
    """Returns the name that a chain of attributes starts with, or None."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
