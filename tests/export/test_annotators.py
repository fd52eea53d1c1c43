"""The column of an annotations CSV that names who drew a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotators import find_annotator_column
from tests.support.export_csv import write_csv


@pytest.mark.parametrize(
    ("header", "wanted", "found"),
    [
        pytest.param(("image_url", "output_content"), None, None, id="none"),
        pytest.param(("image_url", "User", "output_content"), None, "User", id="any case"),
        pytest.param(("user_id", "annotator", "image_url"), None, "annotator", id="the best"),
        pytest.param(("image_url", "who"), "who", "who", id="named"),
    ],
)
def test_annotator_column(
    tmp_path: Path, header: tuple[str, ...], wanted: str | None, found: str | None
) -> None:
    write_csv(tmp_path / "annotations.csv", [header])
    assert find_annotator_column(tmp_path / "annotations.csv", wanted) == found


def test_annotator_column_that_is_not_there(tmp_path: Path) -> None:
    write_csv(tmp_path / "annotations.csv", [("image_url", "user")])
    with pytest.raises(
        InputError, match=r"no column 'who', which coco.annotator_column names; the"
    ):
        find_annotator_column(tmp_path / "annotations.csv", "who")
