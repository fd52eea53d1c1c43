"""The index that fetch writes is what the conversion reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.fetched import Fetched, Source, save_index
from rhymes.export.image_index import IndexedImage, load_image_index

SHA = "ab" * 32


def test_index_of_fetch_is_read(tmp_path: Path) -> None:
    names = ["a.jpg", 'https://x/é,"1".jpg', "line\nbreak\r.jpg", ""]
    fetched = [Fetched(Source(name, (2,)), SHA, 640, 480) for name in names]
    fetched.append(Fetched(Source("gone.jpg", (7,)), error="404"))
    save_index(tmp_path / "index.csv", fetched)
    index = load_image_index(tmp_path / "index.csv")
    assert index == {name: IndexedImage(name, SHA, 640, 480) for name in names} | {"gone.jpg": None}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"a,{SHA},6,4,\na,{SHA},6,4,", "row 3: image 'a' stands twice", id="twice"),
        pytest.param("a,123,640,480,", "row 2: needs a SHA-256", id="short hash"),
        pytest.param(f"a,../{SHA[3:]},640,480,", "needs a SHA-256", id="path for a hash"),
        pytest.param(f"a,{SHA},0,480,", "a size in pixels", id="no width"),
        pytest.param(f"a,{SHA},640,x,", "a size in pixels", id="text for a height"),
        pytest.param("a,,,,", "or an error", id="neither picture nor error"),
        pytest.param("a,b", "2 cells", id="cells missing"),
    ],
)
def test_broken_index(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "index.csv").write_text(f"image,sha256,width,height,error\n{line}\n")
    with pytest.raises(InputError, match=message):
        load_image_index(tmp_path / "index.csv")
