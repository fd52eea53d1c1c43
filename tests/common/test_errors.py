from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rhymes.common.errors import InputError, UnavailableError, error_to_text

DISK_ERRORS = (
    "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "ENAMETOOLONG",
    "ENOENT", "EISDIR", "ENOTDIR", "EEXIST", "ENOTEMPTY", "EBUSY", "EIO", "ESTALE", "ENOMEM",
)  # fmt: skip


@pytest.mark.parametrize("name", DISK_ERRORS)
def test_errors_of_the_disk_have_path_words_and_cure(name: str) -> None:
    number = getattr(errno, name)
    text = error_to_text(OSError(number, os.strerror(number), "data/coco"))
    path, words, cure = text.replace("; ", ": ", 1).split(": ", 2)
    assert (path, words) == ("data/coco", os.strerror(number))
    assert len(cure) > 10
    assert "Errno" not in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(InputError("a: b"), "a: b", id="ours"),
        pytest.param(UnavailableError("a: b"), "a: b", id="ours that may pass"),
        pytest.param(OSError("no port"), "no port", id="without a number"),
        pytest.param(OSError(errno.EXDEV, "Invalid link", "a", None, "b"), "a -> b: Invalid link",
                     id="two paths, no cure"),
        pytest.param(OSError(errno.EXDEV, "Invalid link", Path("a")), "a: Invalid link", id="Path"),
        pytest.param(OSError(errno.EXDEV, "Invalid link", b"a"), "a: Invalid link", id="bytes"),
        pytest.param(OSError(errno.EXDEV, "Invalid link", 3), "Invalid link", id="a descriptor"),
    ],
)  # fmt: skip
def test_other_errors(error: InputError | OSError, text: str) -> None:
    assert error_to_text(error) == text
