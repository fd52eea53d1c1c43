"""What the report says of splits that are not as asked."""

from __future__ import annotations

import pytest

from rhymes.coco.split_report import SplitSizes, sizes_to_report, sizes_to_table, split_warnings
from rhymes.coco.splits import SPLITS


def sizes_of(
    images: tuple[int, int, int],
    groups: tuple[int, int, int] | None = None,
    largest: int = 1,
    asked: tuple[float, float, float] = (0.7, 0.15, 0.15),
) -> SplitSizes:
    by_split = [dict(zip(SPLITS, each, strict=True)) for each in (images, groups or images)]
    return SplitSizes(
        dict(zip(SPLITS, asked, strict=True)),
        by_split[0],
        dict.fromkeys(SPLITS, 0),
        by_split[1],
        largest,
    )


@pytest.mark.parametrize(
    ("sizes", "warning"),
    [
        pytest.param(sizes_of((70, 15, 15)), "", id="as asked"),
        pytest.param(sizes_of((71, 14, 15)), "", id="within an image"),
        pytest.param(
            sizes_of((68, 16, 16)),
            "differ from the asked fractions by more than a group of images: "
            "train 68.0% (asked 70.0%), val 16.0% (asked 15.0%), test 16.0%",
            id="two images",
        ),
        pytest.param(sizes_of((68, 16, 16), largest=2), "", id="within a group"),
        pytest.param(sizes_of((85, 15, 0), asked=(0.85, 0.15, 0)), "", id="no test asked"),
        pytest.param(
            sizes_of((60, 0, 40), (1, 0, 1), 60),
            "There is no image in val: all images form 2 groups of images that must stay together",
            id="two groups: no val",
        ),
        pytest.param(
            sizes_of((60, 0, 0), (1, 0, 0), 60),
            "no image in test: all images form 1 group of images",
            id="one group: no test",
        ),
        pytest.param(
            sizes_of((60, 20, 20), (3, 1, 1), 20),
            "All 20 images of test are one group",
            id="test of one group",
        ),
    ],
)
def test_warnings(sizes: SplitSizes, warning: str) -> None:
    found = list(split_warnings(sizes))
    assert any(warning in each for each in found) if warning else not found
    unmeasured = [each for each in found if "no image in" in each or "are one group" in each]
    assert all("Cross-validation by group" in each for each in unmeasured)


def test_asked_and_achieved() -> None:
    sizes = sizes_of((2, 0, 1))
    assert sizes_to_report(sizes) == {
        "train": {"asked": 0.7, "achieved": 0.6667},
        "val": {"asked": 0.15, "achieved": 0.0},
        "test": {"asked": 0.15, "achieved": 0.3333},
    }
    assert "| train | 2 | 70.0% | 66.7% | 0 | 2 |" in sizes_to_table(sizes)
    assert sizes_to_report(sizes_of((0, 0, 0)))["train"]["achieved"] == 0
