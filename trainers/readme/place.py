"""The place in a README where the table of all nets is. This module does not load TensorFlow."""

from keras_resnets.errors import ArgumentError

BEGIN, END = "<!-- python -m trainers.models --readme=README.md -->\n", "<!-- end of the table -->\n"
HEAD = (
    '| net | builder | parameters | multiply-adds | input | the paper\'s error, % | weights="imagenet" |\n'
    "|---|---|---|---|---|---|---|\n"
)


def table(text: str) -> dict[str, str]:
    """Returns the lines of the table in a README's text, by the nets' names.

    Raises:
        ArgumentError: if the README has no place for it.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ArgumentError(f"--readme must have the lines {BEGIN.strip()} and {END.strip()} once each.")
    body = text.split(BEGIN)[1].split(END)[0].removeprefix(HEAD)
    return {line.split("`")[1]: line for line in body.splitlines(keepends=True)}


def with_table(text: str, content: str) -> str:
    """Returns a README's text with another table in the place of the old one."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}{content}{END}{after}"
