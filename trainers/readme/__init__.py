"""The part of README.md that is computed: the table of all nets."""
