"""Image files that a user names."""

import pytest

from keras_resnets.errors import ArgumentError
from trainers.data.image_files import find_images


def test_images_of_folders_are_found_and_others_counted(tmp_path, capsys):
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "photos" / ".thumbnails").mkdir()
    for name in ("b.JPG", "2024/a.png", ".thumbnails/a.png", "._b.JPG", "clip.mp4", "b.xmp"):
        (tmp_path / "photos" / name).write_bytes(b"")
    (tmp_path / "again").symlink_to(tmp_path / "photos")
    assert find_images([str(tmp_path / "photos")]) == [
        tmp_path / "photos" / "2024" / "a.png",
        tmp_path / "photos" / "b.JPG",
    ]
    said = f"{tmp_path / 'photos'}: passed over: 1 .mp4, 1 .xmp, 1 hidden file, 1 hidden folder\n"
    assert capsys.readouterr().err == said
    assert len(find_images([str(tmp_path), str(tmp_path / "photos" / "b.xmp")])) == 3
    with pytest.raises(ArgumentError, match="2025 has no image files .1 .mp4.: give image files"):
        (tmp_path / "2025").mkdir()
        (tmp_path / "2025" / "clip.mp4").write_bytes(b"")
        find_images([str(tmp_path / "2025")])
