"""Figures are printed as JSON and Markdown."""

import json

from trainers.benchmarks import table

FIGURES = {"processor": "P", "a": {"rate": 1234.5, "steps": 3}, "b": {"rate": 0.5, "steps": 2}, "c": {"ms": 1.0}}


def test_each_group_is_a_line_of_json_with_all_digits():
    lines = [json.loads(line) for line in table.json_lines("training", FIGURES)]
    assert lines[1] == {"benchmark": "training a", "rate": 1234.5, "steps": 3}
    assert [line["benchmark"] for line in lines] == ["training", "training a", "training b", "training c"]


def test_groups_with_the_same_names_share_a_table():
    rows = list(table.rows("training", FIGURES))
    assert rows[4:8] == [
        "|  | rate | steps |",
        "|---|---|---|",
        "| training a | 1.23e+03 | 3 |",
        "| training b | 0.5 | 2 |",
    ]
    assert rows[8:10] == ["", "|  | ms |"]
