"""The configuration of functional models, as `get_config` returns it."""


def references(structure):
    """Yields every list [layer's name, node, place] in a model's configuration: what is taken as input or is output."""
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, list | tuple):
        if len(structure) == 3 and isinstance(structure[0], str) and isinstance(structure[1], int):
            yield structure
        else:
            for part in structure:
                yield from references(part)
