"""A page on all experiments of a folder that needs no network."""

import base64
import html
import json
import pathlib
import sys

from keras_resnets.errors import ArgumentError
from trainers.experiments.experiment import listed
from trainers.runtime.atomic_files import write_text

KEYS = {"title", "source", "verdict", "tables", "pictures", "settings"}  # that are read from results.json
STYLE = (
    "body { font-family: sans-serif; max-width: 70em; margin: auto; padding: 1em } img { max-width: 100% } "
    "table { border-collapse: collapse } th, td { border: 1px solid #bbb; padding: 0.2em 0.6em; text-align: left }"
)


def write_html(output: pathlib.Path) -> pathlib.Path:
    """Writes report.html on all complete experiments in a folder.

    Args:
        output: the value of --output: the folder that has a subfolder for each experiment.

    Returns:
        The path of report.html, which includes the pictures.

    Raises:
        ArgumentError: if no experiment in the folder is complete.
    """
    experiments = {file.parent: _results(file) for file in sorted(output.glob("*/results.json"))}
    experiments = {folder: results for folder, results in experiments.items() if results is not None}
    if not experiments:
        raise ArgumentError(f"--output={output} holds no complete experiment: pass the --output of the experiments.")
    contents = "".join(
        f'<li><a href="#{html.escape(folder.name)}">{html.escape(results["title"])}</a>: '
        f"{html.escape(' '.join(results['verdict']))}</li>\n"
        for folder, results in experiments.items()
    )
    sections = "".join(_section(folder, results) for folder, results in experiments.items())
    path = output / "report.html"
    write_text(
        path,
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>The papers\' experiments</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>The papers' experiments</h1>\n<ul>\n{contents}</ul>\n{sections}"
        "</body>\n</html>\n",
    )
    return path


def _results(file):
    """Returns the content of a results.json of `write_report`; of any other, says so and returns None."""
    try:
        results = json.loads(file.read_text())
    except ValueError:
        results = None
    if isinstance(results, dict) and KEYS <= results.keys():
        return results
    print(f"left out: {file} is damaged, of another version, or not of an experiment", file=sys.stderr)
    return None


def _section(folder, results):
    parts = [
        f'<h2 id="{html.escape(folder.name)}">{html.escape(results["title"])}</h2>',
        f"<p>{html.escape(results['source'])}</p>",
        f"<p><b>{html.escape(' '.join(results['verdict']))}</b></p>",
        f"<p>{html.escape(listed(results['settings']))}</p>",
        *map(_table, results["tables"]),
        *(_picture(folder / name) for name in results["pictures"]),
    ]
    return "\n".join(parts) + "\n"


def _table(table):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    rows = [row(table["columns"], "th"), *(row(cells, "td") for cells in table["rows"])]
    return f"<h3>{html.escape(table['title'])}</h3>\n<table>\n" + "\n".join(rows) + "\n</table>"


def _picture(path):
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<p><img alt="{html.escape(path.stem)}" src="data:image/png;base64,{content}"></p>'
