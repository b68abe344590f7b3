"""The binary that finds region proposals and measures them."""

import json
import signal
import time

import pytest
from PIL import Image
from processes import start
from rectangles import write_coco

FLAGS = ["--method=selective_search", "--method=edge_boxes", "--limit=400"]


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "images").mkdir()
    return f"--dataset={write_coco(tmp_path / 'images', 6)}"


def test_proposals_are_found_measured_and_kept(dataset, tmp_path, run_command):
    output = tmp_path / "found"
    first = run_command("trainers.proposals", dataset, *FLAGS, f"--output={output}")
    assert first.returncode == 0, first.stderr
    report = json.loads((output / "recall.json").read_text())
    assert report["images"] == 6 and list(report["methods"]) == ["selective_search", "edge_boxes"]
    assert report["methods"]["selective_search"]["settings"] == {"limit": 400, "mode": "fast", "seed": 0}
    for method, results in report["methods"].items():
        rows = results["recall"]
        assert [row["proposals"] for row in rows] == [100, 300, 400]
        assert 0 < rows[0]["found"] <= 100 and results["seconds_per_image"] > 0
        assert rows[-1]["recall_50"] > 0.9 and rows[-1]["average_recall"] > 0.4
        lines = [line.split() for line in first.stdout.splitlines() if line.startswith(f"{method} ")]
        assert [line[1] for line in lines] == ["100", "300", "400"]
        assert lines[0][3] == f"{rows[0]['recall_50']:.2%}" and lines[2][5] == f"{rows[2]['average_recall']:.2%}"
    with Image.open(output / "recall.png") as picture:
        assert picture.format == "PNG" and picture.width > 200

    kept = {path: path.stat().st_mtime_ns for path in (output / "proposals").rglob("*.npz")}
    assert len(kept) == 12
    again = run_command("trainers.proposals", dataset, *FLAGS, f"--output={output}")
    assert again.stdout == first.stdout
    assert kept == {path: path.stat().st_mtime_ns for path in (output / "proposals").rglob("*.npz")}


@pytest.mark.slow
def test_a_signal_ends_in_one_line_what_goes_on_later(tmp_path):
    dataset = f"--dataset={write_coco(tmp_path, 60)}"
    flags = ["--method=selective_search_quality", f"--output={tmp_path / 'found'}"]
    process = start(["-m", "trainers.proposals", dataset, *flags])
    while not list(tmp_path.rglob("*.npz")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert stderr.splitlines()[-1].startswith("interrupted: the same command goes on") and "Traceback" not in stderr
    assert 0 < len(list(tmp_path.rglob("*.npz"))) < 60 and not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--method=selective_search", "--dataset=digits"], "error: --dataset=digits has no boxes or is unknown"),
        (
            ["--method=selective_search", "--edge_model=model.yml"],
            "error: --edge_model=model.yml is for --method=edge_",
        ),
        (["--method=edge_boxes", "--edge_model=/nowhere.yml"], "error: [Errno 2] No such file or directory: '/nowhere"),
        (["--method=bing"], "flag --method=bing: value should be one of <selective_search|selective_search_quality|"),
        (["--method=edge_boxes", "--limit=0"], "flag --limit=0: 0 is not a positive integer"),
    ],
)
def test_wrong_flags_end_in_one_line(flags, message, tmp_path, run_command):
    flags = flags if "--dataset" in flags[-1] else ["--dataset=digit_scenes", *flags]
    process = run_command("trainers.proposals", *flags, f"--output={tmp_path / 'new'}")
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "new").exists()
