"""Versions, labels, descriptions: they change while a client lives."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from rhymes.client import current_model
from rhymes.client.client import DetectorClient
from rhymes.client.errors import (
    BadAnswer,
    ModelNotFound,
    VersionNotLoaded,
)
from rhymes.coco.label_map import save_label_map
from rhymes.common.errors import InputError
from tests.support.canned_server import (
    IMAGE,
    UINT8,
    CannedServer,
    abort,
    make_outputs,
    make_signature,
)

NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
LATEST = "Servable not found for request: Latest(detector)"


pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize(
    ("made", "called", "version", "label"),
    [
        pytest.param({}, {}, None, "", id="the server's newest"),
        pytest.param({"version": 7}, {}, 7, "", id="the client's version"),
        pytest.param({"version": 0}, {}, 0, "", id="version 0"),
        pytest.param({"label": "stable"}, {}, None, "stable", id="the client's label"),
        pytest.param({"version": 7}, {"version": 8}, 8, "", id="the call's version"),
        pytest.param({"version": 7}, {"label": "canary"}, None, "canary", id="the call's label"),
        pytest.param({"label": "stable"}, {"version": 8}, 8, "", id="version before label"),
    ],
)
def test_versions_and_labels_are_passed_on(
    made: Any, called: Any, version: int | None, label: str, server: CannedServer
) -> None:
    server.version = version or 0 if version is not None else 5
    with DetectorClient(server.address, **made) as client:
        client.detect(IMAGE, **called)
        client.detect_batch([IMAGE], **called)
        assert client.describe(**called).version == server.version
    for method in ("GetModelMetadata", "Predict"):
        for request in server.asked_for(method):
            spec = request.model_spec
            assert (spec.version.value if spec.HasField("version") else None) == version
            assert spec.version_label == label


def test_version_and_label_are_one_too_many(client: DetectorClient) -> None:
    with pytest.raises(ValueError, match="for one of them"):
        client.detect(IMAGE, version=1, label="stable")


STATES = {3: (30, ""), 2: (20, ""), 1: (50, "NOT_FOUND: truncated variables")}


@pytest.mark.parametrize(
    ("statuses", "asked", "error", "kind", "message"),
    [
        pytest.param(
            None, {}, (NOT_FOUND, LATEST), ModelNotFound,
            r"no model 'detector'; start it with --model_name=detector", id="model",
        ),
        pytest.param(
            STATES, {"version": 7}, (NOT_FOUND, "Servable not found for request: Specific(.., 7)"),
            VersionNotLoaded,
            r"no version 7 loaded; available: 3; version 2 is in state LOADING; "
            r"version 1 is in state END \(NOT_FOUND: truncated variables\)", id="version",
        ),
        pytest.param(
            STATES, {"label": "best"}, (INVALID, "Unrecognized servable version label: best"),
            VersionNotLoaded, "no version labelled 'best' loaded; available: 3", id="label",
        ),
        pytest.param(
            {1: (50, "no such file")}, {}, (NOT_FOUND, LATEST), VersionNotLoaded,
            "no version is available.*no such file", id="no version that works",
        ),
        pytest.param(
            {}, {}, (NOT_FOUND, LATEST), VersionNotLoaded, "no version is available", id="nothing"
        ),
    ],
)  # fmt: skip
def test_what_is_missing_says_what_there_is(
    statuses: Any, asked: Any, error: Any, kind: Any, message: str, server: CannedServer
) -> None:
    server.statuses = statuses
    server.before_metadata = abort(*error)
    with DetectorClient(server.address, **asked) as client:
        for call in (lambda: client.detect(IMAGE), client.describe):
            with pytest.raises(kind, match=message):
                call()
    assert len(server.asked_for("GetModelMetadata")) == 2  # no repeats
    assert server.asked_for("Predict") == []


def test_versions_that_are_about_to_be_loaded_are_waited_for(server: CannedServer) -> None:
    server.statuses, server.version = {7: (20, "")}, 7
    server.once = [abort(NOT_FOUND, "Servable not found for request: Specific(detector, 7)")] * 2
    with DetectorClient(server.address, version=7) as client:
        assert len(client.detect(IMAGE)) == 2


def test_versions_are_listed_newest_first(server: CannedServer, client: DetectorClient) -> None:
    server.statuses = {1: (50, "broken"), 10: (30, ""), 2: (77, "")}
    listed = [(each.version, each.state, each.error) for each in client.versions()]
    assert listed == [(10, "AVAILABLE", ""), (2, "UNKNOWN", ""), (1, "END", "broken")]
    server.statuses = None
    with pytest.raises(ModelNotFound):
        client.versions()


def test_descriptions_are_asked_for_once(server: CannedServer, client: DetectorClient) -> None:
    for _ in range(5):
        client.detect(IMAGE)
        assert client.describe().class_names == {1: "CAT", 2: "DOG"}
    assert len(server.asked_for("GetModelMetadata")) == 1
    assert [name for name, _ in server.asked].count("Predict") == 6  # one for model_info


def test_changes_of_models_that_state_nothing_are_noticed(
    server: CannedServer, client: DetectorClient
) -> None:
    server.classes = None
    assert client.describe().identity is None
    assert client.answer(IMAGE).model.identity == client.describe().identity == "one"
    server.identity = "two"
    assert client.answer(IMAGE).model.identity == "two"
    client.detect(IMAGE)
    assert len(server.asked_for("GetModelMetadata")) == 2
    assert len(server.asked_for("Predict")) == 3


@pytest.mark.parametrize("what", ["identity", "version"])
def test_new_names_come_with_the_first_answer_of_a_new_model(
    what: str, server: CannedServer, client: DetectorClient
) -> None:
    client.detect(IMAGE)
    setattr(server, what, {"identity": "two", "version": 2}[what])
    server.classes = [{"id": 1, "name": "CAR"}, {"id": 2, "name": "BUS"}]
    answer = client.answer(IMAGE)
    assert answer.model.class_names == client.describe().class_names == {1: "CAR", 2: "BUS"}
    assert (answer.version, answer.identity) == (server.version, server.identity)
    assert len(server.asked_for("Predict")) == 2  # the signature is the same: not asked again


def test_descriptions_grow_old_where_no_identity_is_told(
    server: CannedServer, client: DetectorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.identity = server.server_seconds = None
    answer = client.answer(IMAGE)
    assert answer.identity is answer.server_seconds is None
    server.classes = [{"id": 1, "name": "CAR"}, {"id": 2, "name": "BUS"}]
    assert client.describe().class_names[1] == "CAT"
    now = time.monotonic()
    monkeypatch.setattr(current_model.time, "monotonic", lambda: now + 61)
    assert client.describe().class_names[1] == "CAR"


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "answered"])
def test_requests_follow_the_signature_of_a_new_version(
    refused: bool, server: CannedServer, client: DetectorClient
) -> None:
    client.detect(IMAGE)

    def behave(request: Any, context: grpc.ServicerContext) -> Any:
        if "input_tensor" not in request.inputs and refused:
            context.abort(INVALID, "input tensor alias not found in signature: inputs")
        return server.respond(make_outputs())

    server.version, server.identity, server.always = 2, "two", behave
    server.signatures["serving_default"] = make_signature({"input_tensor": (UINT8, [1, -1, -1, 3])})
    answer = client.answer(IMAGE)
    assert answer.version == answer.model.version == 2
    assert list(server.asked_for("Predict")[-1].inputs) == ["input_tensor"]
    assert len(server.asked_for("Predict")) == 3


def test_versions_that_never_stand_still_end_in_an_error(
    server: CannedServer, client: DetectorClient
) -> None:
    def behave(request: Any, context: grpc.ServicerContext) -> Any:
        server.version += 1
        response = server.respond(make_outputs())
        server.version += 1
        return response

    server.always = behave
    with pytest.raises(VersionNotLoaded, match=r"another version .* answers each time"):
        client.detect(IMAGE)


def test_names_are_those_of_the_version_that_is_described(
    server: CannedServer, client: DetectorClient
) -> None:
    def swap(request: Any, context: grpc.ServicerContext) -> None:
        if server.version == 1:  # the metadata still say 1, model_info is answered by 2
            server.before_info = lambda: setattr(server, "version", 2)

    server.before_metadata = swap
    assert client.describe().version == 2
    assert len(server.asked_for("GetModelMetadata")) == 2


def test_foreign_models_take_names_from_a_label_map(server: CannedServer, tmp_path: Path) -> None:
    path = tmp_path / "label_map.pbtxt"
    save_label_map(path, ["BOLT", "NUT"])
    with DetectorClient(server.address, label_map=path) as client:
        assert client.describe().class_names == {1: "CAT", 2: "DOG"}  # what is stated counts
    server.classes = None
    with DetectorClient(server.address, label_map=path) as client:
        model = client.describe()
        assert model.class_names == {1: "BOLT", 2: "NUT"}
        assert model.info is None
    with DetectorClient(server.address) as client:
        assert client.describe().class_names == {}
    with pytest.raises(InputError, match="cannot be read"):
        DetectorClient(server.address, label_map=tmp_path / "none.pbtxt")


def test_broken_model_info_is_an_error(server: CannedServer, client: DetectorClient) -> None:
    server.classes = [{"id": 0, "name": "CAT"}]
    with pytest.raises(BadAnswer, match=r"model_info: .*ids from 1 up"):
        client.describe()
