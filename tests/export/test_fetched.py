from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError
from rhymes.export.fetched import (
    INDEX_COLUMNS,
    Fetched,
    IndexedImage,
    Source,
    Tolerance,
    changes_to_report,
    check_failures,
    load_image_index,
    load_sources,
    save_failures,
    save_index,
)
from tests.support.export_csv import indexed_image

SHA = "ab" * 32


def make_fetched(good: int, bad: int) -> list[Fetched]:
    arrived = [
        Fetched(Source(f"{n}.jpg", (n,)), indexed_image(f"{n}.jpg", SHA)) for n in range(good)
    ]
    failed = [Fetched(Source(f"bad{n}.jpg", (n, n + 9)), error="no such file") for n in range(bad)]
    return arrived + failed


def test_sources_are_distinct_and_in_order_of_first_appearance(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("image_url,output_content\nb.jpg,1\na.jpg,2\n,3\nb.jpg,4\n b.jpg,5\n")
    assert load_sources(path) == [
        Source("b.jpg", (2, 5)),
        Source("a.jpg", (3,)),
        Source("", (4,)),
        Source(" b.jpg", (6,)),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("image_url,cdn_file_url\na,b\n", "row 1: the header has both", id="both"),
        pytest.param(
            "file,output_content\na,b\n", "row 1: the header needs a column", id="neither"
        ),
        pytest.param("image_url,output_content\n", "no rows below the header", id="no rows"),
        pytest.param("image_url,output_content\na\n", "row 2: 1 cells", id="short row"),
    ],
)
def test_broken_annotations_are_an_error(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_sources(path)
    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)


def test_index_and_failures(tmp_path: Path) -> None:
    fetched = [
        Fetched(
            Source('a "b",\nc', (2,)),
            IndexedImage('a "b",\nc', "ab12", 4, 3, "cd34", "ef56", "PNG", 6),
        ),
        Fetched(Source("é.jpg", (3, 5)), error="no such file"),
    ]
    save_index(tmp_path / "index.csv", fetched)
    assert (tmp_path / "index.csv").read_bytes().decode() == (
        "image,sha256,width,height,original_sha256,pixels_sha256,format,orientation,error\n"
        '"a ""b"",\nc",ab12,4,3,cd34,ef56,PNG,6,\né.jpg,,,,,,,,no such file\n'
    )
    save_failures(tmp_path / "failed.csv", fetched)
    assert (tmp_path / "failed.csv").read_bytes().decode() == (
        "rows,image,error\n3 5,é.jpg,no such file\n"
    )


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
@example(["a\rb", "\n", "", ' a,"b"', "'"])
def test_index_gives_every_image_back_verbatim(
    tmp_path_factory: pytest.TempPathFactory, images: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "verbatim.csv"
    save_index(path, [Fetched(Source(image, (2,)), error="no such file") for image in images])
    assert [row.cells["image"] for row in load_rows(path, INDEX_COLUMNS)] == images


@pytest.mark.parametrize(
    ("good", "bad", "fraction"),
    [(98, 2, 0.02), (1, 1, 0.5), (0, 3, 1.0)],
)
def test_few_failures_are_reported(good: int, bad: int, fraction: float) -> None:
    report = check_failures(make_fetched(good, bad), good + bad, Tolerance(fraction, 0))
    assert report.startswith(f"{bad} of {good + bad} images failed; they are left out of this")
    assert "  row 0, 9: 'bad0.jpg': no such file" in report


@pytest.mark.parametrize(
    ("good", "bad", "fraction"),
    [(97, 3, 0.02), (100, 1, 0.0), (0, 1, 0.99)],
)
def test_many_failures_are_an_error(good: int, bad: int, fraction: float) -> None:
    with pytest.raises(InputError) as error:
        check_failures(make_fetched(good, bad), good + bad, Tolerance(fraction, 0))
    assert f"{bad} of {good + bad} images failed" in str(error.value)
    assert f"fetch.max_failed_fraction = {fraction:g}" in str(error.value)


def test_changed_images_are_counted_by_format() -> None:
    images = [
        indexed_image("a.jpg", SHA, orientation=6, original_sha256="b" * 64),
        indexed_image("b.jpg", SHA),
        *(indexed_image(f"{n}.png", SHA, format="PNG", original_sha256="c" * 64) for n in range(2)),
        indexed_image("d.png", SHA, format="PNG", orientation=3, original_sha256="d" * 64),
    ]
    assert changes_to_report(images) == [
        "turned upright by their EXIF: 2 images (1 JPEG, 1 PNG)",
        "not kept as they came, but as a JPEG: 4 images (1 JPEG, 3 PNG)",
    ]
    assert changes_to_report(images[1:2]) == []


BUSY = Fetched(Source("busy.jpg", (7,)), None, "status 503", is_unavailable=True)


def test_what_may_pass_is_not_tolerated_as_failed() -> None:
    with pytest.raises(InputError) as error:
        check_failures([*make_fetched(98, 1), BUSY], 100, Tolerance(1.0, 0))
    assert str(error.value).startswith(
        "2 of 100 images failed, 1 of them for a reason that may pass, more than "
        "fetch.max_unavailable_fraction = 0 allows:\n  row 7: 'busy.jpg': status 503\n"
    )


def test_what_may_pass_is_tolerated_where_it_is_asked_for() -> None:
    fetched = [*make_fetched(98, 1), BUSY]
    report = check_failures(fetched, 100, Tolerance(0.01, 0.01))
    assert report.startswith(
        "2 of 100 images failed, 1 of them for a reason that may pass; they are left out"
    )
    with pytest.raises(InputError, match=r"than fetch\.max_failed_fraction = 0\.001 allows"):
        check_failures(fetched, 100, Tolerance(0.001, 0.01))


def test_no_failures_are_no_report() -> None:
    assert check_failures(make_fetched(3, 0), 3, Tolerance(0, 0)) == ""


def test_long_lists_rows_and_names_are_cut() -> None:
    long = Fetched(Source("x" * 1000, tuple(range(50))), error="broken")
    report = check_failures([long, *make_fetched(0, 30)], 31, Tolerance(1, 0))
    lines = report.splitlines()
    assert len(lines) == 22
    assert "row 0, 1, 2, ... (50 rows): 'xxx" in lines[1]
    assert len(lines[1]) < 200
    assert lines[-1] == "  ... and 11 more"


def test_sources_that_were_not_tried_are_counted() -> None:
    with pytest.raises(InputError, match=r"60 of 900 images failed \(.*840 were not tried\)"):
        check_failures(make_fetched(0, 60), 900, Tolerance(0.02, 0))


def test_index_of_fetch_is_read(tmp_path: Path) -> None:
    names = ["a.jpg", 'https://x/é,"1".jpg', "line\nbreak\r.jpg", ""]
    images = [indexed_image(name, SHA, (640, 480), format="PNG", orientation=6) for name in names]
    fetched = [Fetched(Source(image.source, (2,)), image) for image in images]
    fetched.append(Fetched(Source("gone.jpg", (7,)), error="404"))
    save_index(tmp_path / "index.csv", fetched)
    index = load_image_index(tmp_path / "index.csv")
    assert index == {image.source: image for image in images} | {"gone.jpg": None}


GOOD = f"a,{SHA},6,4,{SHA},{SHA},JPEG,1,"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"{GOOD}\n{GOOD}", "row 3: image 'a' stands twice", id="twice"),
        pytest.param(GOOD.replace(SHA, "123", 1), "row 2: needs SHA-256s", id="short hash"),
        pytest.param(GOOD.replace(SHA, f"../{SHA[3:]}", 1), "needs SHA", id="path for a hash"),
        pytest.param(GOOD.replace(f",{SHA},JPEG", ",,JPEG"), "needs SHA", id="no hash of pixels"),
        pytest.param(GOOD.replace("6,4", "0,4"), "a size in pixels", id="no width"),
        pytest.param(GOOD.replace("6,4", "6,x"), "a size in pixels", id="text for a height"),
        pytest.param(GOOD.replace("JPEG,1", "JPEG,9"), "an orientation", id="orientation 9"),
        pytest.param("a,,,,,,,,", "or an error", id="neither image nor error"),
        pytest.param("a,b", "2 cells", id="cells missing"),
    ],
)
def test_broken_index(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "index.csv").write_text(f"{','.join(INDEX_COLUMNS)}\n{line}\n")
    with pytest.raises(InputError, match=message):
        load_image_index(tmp_path / "index.csv")


def test_former_index_asks_for_fetch(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(f"image,sha256,width,height,error\na,{SHA},6,4,\n")
    with pytest.raises(InputError, match="original_sha256"):
        load_image_index(tmp_path / "index.csv")
