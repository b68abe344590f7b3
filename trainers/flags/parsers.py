"""Parsers of flags that have "auto" among their values."""

from absl import flags

from trainers.runtime.choices import AUTO


class AutoOrInteger(flags.IntegerParser):
    """The parser of a flag that is "auto" or an integer."""

    def parse(self, argument):
        return argument if argument == AUTO else super().parse(argument)


class AutoOrBoolean(flags.BooleanParser):
    """The parser of a flag that is "auto", True or False."""

    def parse(self, argument):
        if argument == AUTO:
            return argument
        try:
            return super().parse(argument)
        except ValueError as error:
            raise ValueError(f"use {AUTO}, true or false") from error
