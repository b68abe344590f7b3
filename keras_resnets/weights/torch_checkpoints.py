"""Finding a net's tensors in what PyTorch's trainers save: containers of several entries, and names with a prefix."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_resnets.weights.family import Family

# Entries that hold a net's tensors, the averaged weights first, as timm reads them.
CONTAINERS = ("state_dict_ema", "model_ema", "ema_state_dict", "state_dict", "model_state_dict", "model")
COUNTERS = re.compile(r"(.*\.)?(num_batches_tracked|n_averaged)")  # tensors that are no weights


def find_state_dict(source: str, content: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Returns the tensors of a net, by name: of the mapping itself, or of one of its entries.

    That is the entry that comes first in `CONTAINERS` or, without such entries, the one with the most tensors. What
    is no tensor, e.g. "epoch", is left out.

    Args:
        source: the name of the file, for messages.
        content: of a file. Tensors are what has a shape and a dtype.
        say: function that is called with a message about a choice.
    """
    found = dict(_tensors("", content))
    if not found:
        return {}
    known = [key for name in CONTAINERS for key in found if key.rpartition(".")[2] == name]
    chosen = known[0] if known else max(found, key=lambda key: len(found[key]))
    others = dict.fromkeys(_shortest_name(key, chosen) for key in found if key != chosen)
    if others:
        say(f"{source}: the tensors of {_entry(chosen)} are read, not those of {', '.join(map(_entry, others))}")
    return found[chosen]


def _shortest_name(key, chosen):
    """Returns the part of an entry's path that tells it from the chosen one: "optimizer" of "optimizer.state.0"."""
    first = key.partition(".")[0]
    return key if first == chosen.partition(".")[0] else first


def _entry(name):
    return repr(name) if name else "the file itself"


def _tensors(path: str, content: Mapping) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the path of each mapping that has tensors, e.g. "model", and these tensors; a single number is none."""
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and _is_tensor(value)}
    if any(len(value.shape) for value in tensors.values()):
        yield path, tensors
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _tensors(f"{path}.{name}" if path else str(name), value)


def _is_tensor(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def without_shared_prefix(
    source: str, tensors: Mapping[str, Any], families: Sequence[Family], say: Callable[[str], None]
) -> tuple[Mapping[str, Any], Family | None]:
    """Returns tensors by the names of a family, and that family, or tensors as they are and None.

    A prefix that all names share, e.g. "module." or "_orig_mod.", is taken off; `say` is called with a message.
    """
    prefix, renamed = "", tensors
    while True:
        family = next((family for family in families if family.matches(renamed)), None)
        if family is not None:
            if prefix:
                say(f"{source}: the prefix {prefix!r} of all names is taken off")
            return renamed, family
        heads = {head(name) for name in renamed if not COUNTERS.fullmatch(name)}
        if len(heads) != 1 or "" in heads:
            return tensors, None
        (first,) = heads
        prefix += first
        renamed = {name.removeprefix(first): value for name, value in renamed.items()}


def part_of_a_family(tensors: Mapping[str, Any], families: Sequence[Family]) -> str | None:
    """Returns the prefix of the first tensors that are a family's net among other tensors, or None.

    Example: "encoder_q." of a checkpoint of contrastive learning.
    """
    prefixes = {name[: end.end()] for name in tensors for end in re.finditer(r"\.", name)}
    for prefix in sorted(prefixes, key=lambda prefix: (prefix.count("."), prefix)):
        part = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if any(family.matches(part) for family in families):
            return prefix
    return None


def head(name: str) -> str:
    """Returns the first part of a name with its dot, or "" for a name without dots."""
    return name[: name.find(".") + 1]
