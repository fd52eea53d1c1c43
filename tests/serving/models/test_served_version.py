from __future__ import annotations

from typing import Any

import grpc
import pytest

from rhymes.serving.models.handles import Handle, VersionLease
from rhymes.serving.models.served_version import Failure, ServedVersion
from rhymes.serving.models.version_folder import CompleteFolder, FileStamp, IncompleteFolder
from rhymes.wire.errors import WireError
from rhymes.wire.messages import ModelVersionStatus
from tests.support.version_folders import FakeServable

NOW = 100.0
STAMPS = (FileStamp("saved_model.pb", 1, 2, 3, 4),)
OTHER_STAMPS = (FileStamp("saved_model.pb", 1, 2, 3, 5),)
WHOLE = CompleteFolder("id", STAMPS)
HANDLE = Handle(VersionLease(FakeServable(""), "m", 1, "id"), lambda handle: None)
ERROR = WireError(grpc.StatusCode.DATA_LOSS, "damaged")
FAILURE = Failure(ERROR, STAMPS, 1, NOW + 60)


def make(**known: Any) -> ServedVersion:
    return ServedVersion(1, **known)


@pytest.mark.parametrize(
    ("version", "state", "error"),
    [
        pytest.param(make(folder=IncompleteFolder()), "START", None, id="a copy under way"),
        pytest.param(make(folder=WHOLE), "START", None, id="not begun"),
        pytest.param(make(folder=IncompleteFolder(ERROR)), "END", ERROR, id="a broken folder"),
        pytest.param(make(folder=WHOLE, is_loading=True), "LOADING", None, id="loading"),
        pytest.param(
            make(folder=WHOLE, is_loading=True, failure=FAILURE), "LOADING", None, id="retrying"
        ),
        pytest.param(make(folder=WHOLE, handle=HANDLE), "AVAILABLE", None, id="served"),
        pytest.param(make(handle=HANDLE), "AVAILABLE", None, id="served without a folder"),
        pytest.param(
            make(folder=IncompleteFolder(), handle=HANDLE), "AVAILABLE", None, id="refilled"
        ),
        pytest.param(
            make(folder=IncompleteFolder(ERROR), handle=HANDLE),
            "AVAILABLE",
            ERROR,
            id="refilled wrongly",
        ),
        pytest.param(
            make(folder=CompleteFolder("other", STAMPS), handle=HANDLE, failure=FAILURE),
            "AVAILABLE",
            ERROR,
            id="other bytes failed",
        ),
        pytest.param(
            make(folder=CompleteFolder("other", OTHER_STAMPS), handle=HANDLE, failure=FAILURE),
            "AVAILABLE",
            None,
            id="other bytes failed and were replaced",
        ),
        pytest.param(
            make(folder=WHOLE, handle=HANDLE, failure=FAILURE),
            "AVAILABLE",
            None,
            id="what is served came back",
        ),
        pytest.param(make(closing=1), "UNLOADING", None, id="unloading"),
        pytest.param(make(closing=1, folder=WHOLE, is_loading=True), "LOADING", None, id="both"),
        pytest.param(make(folder=WHOLE, failure=FAILURE), "END", ERROR, id="failed"),
        pytest.param(make(failure=FAILURE), "END", ERROR, id="failed and gone"),
        pytest.param(
            make(folder=CompleteFolder("id", OTHER_STAMPS), failure=FAILURE),
            "START",
            None,
            id="failed and replaced",
        ),
        pytest.param(make(), "END", None, id="gone"),
    ],
)
def test_states(version: ServedVersion, state: str, error: WireError | None) -> None:
    status = version.to_status()
    assert ModelVersionStatus.State.Name(status.state) == state
    assert status.HasField("status")
    assert status.status.error_message == ("" if error is None else error.message)
    assert status.status.error_code == (0 if error is None else error.code.value[0])
    assert version.is_pending() == (state in ("START", "LOADING"))


@pytest.mark.parametrize(
    ("version", "now", "is_due"),
    [
        pytest.param(make(), NOW, False, id="no folder"),
        pytest.param(make(folder=IncompleteFolder()), NOW, False, id="not whole"),
        pytest.param(make(folder=WHOLE), NOW, True, id="whole"),
        pytest.param(make(folder=WHOLE, is_loading=True), NOW, False, id="loading"),
        pytest.param(make(folder=WHOLE, handle=HANDLE), NOW, False, id="served"),
        pytest.param(
            make(folder=CompleteFolder("x", STAMPS), handle=HANDLE), NOW, True, id="other bytes"
        ),
        pytest.param(make(folder=WHOLE, failure=FAILURE), NOW + 59, False, id="too early"),
        pytest.param(make(folder=WHOLE, failure=FAILURE), NOW + 60, True, id="again"),
        pytest.param(
            make(folder=CompleteFolder("id", OTHER_STAMPS), failure=FAILURE),
            NOW,
            True,
            id="touched",
        ),
        pytest.param(
            make(folder=WHOLE, failure=Failure(ERROR, STAMPS, 6, None)), 1e9, False, id="given up"
        ),
    ],
)
def test_when_a_load_is_due(version: ServedVersion, now: float, is_due: bool) -> None:
    assert version.needs_load(now) is is_due
