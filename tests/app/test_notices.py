"""What a view says when something is missing, and that it goes on by itself."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import run_until
from tests.support.canned_server import CannedServer, abort, running
from tests.support.fake_client import encode_image

READ = """
import streamlit as st
from pathlib import Path
from app.notices import explained
from app.repository import load_json

with explained():
    st.text(load_json(Path("a.json")))
st.text("the rest")
"""

ASK = """
import streamlit as st
from pathlib import Path
from app import backend
from app.notices import explained
from app.checked_image import bytes_to_image

with explained():
    version = backend.available_versions()[0]
    found = backend.detect(bytes_to_image("a.jpg", Path("a.jpg").read_bytes()), version)
    st.text(f"{len(found.detections)} objects")
st.text("the rest")
"""


@pytest.fixture(autouse=True)
def image(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(encode_image((1, (10, 10, 20, 20))))


def texts(app: AppTest) -> list[str]:
    return [element.value for element in app.text]


def test_a_missing_file_is_named_with_its_command(folder: Path) -> None:
    app = AppTest.from_string(READ).run()
    assert not app.exception
    assert "a\\.json" in app.info[0].value
    assert [code.value for code in app.code] == ["make repro"]
    assert texts(app) == ["the rest"]
    (folder / "a.json").write_text("1")
    app.run()
    assert not app.info
    assert texts(app) == ["1", "the rest"]


def test_a_broken_file_is_an_error_without_a_traceback(folder: Path) -> None:
    (folder / "a.json").write_text("{")
    app = AppTest.from_string(READ).run()
    assert not app.exception
    assert "not JSON" in app.error[0].value
    assert texts(app) == ["the rest"]


def test_no_server_then_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CannedServer()) as canned:
        address = canned.address
    monkeypatch.setenv("SERVING_ADDRESS", address)
    app = AppTest.from_string(ASK).run()
    assert not app.exception
    assert "No model server answers" in app.error[0].value
    assert [code.value for code in app.code] == ["make serve"]
    assert texts(app) == ["the rest"]
    with running(CannedServer(), address=address):
        run_until(app, lambda app: not app.error)
        assert texts(app) == ["2 objects", "the rest"]


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param(None, id="no such model"),
        pytest.param({1: (20, "")}, id="still loading"),
        pytest.param({1: (50, "<b>broken</b>")}, id="failed to load"),
    ],
)
def test_a_server_without_a_model(
    statuses: dict[int, tuple[int, str]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(CannedServer(statuses=statuses)) as canned:
        monkeypatch.setenv("SERVING_ADDRESS", canned.address)
        app = AppTest.from_string(ASK).run()
        assert not app.exception
        assert "no model to answer with" in app.warning[0].value
        assert "make repro" in [code.value for code in app.code]
        assert not any("<b>" in caption.value for caption in app.caption)
        canned.statuses = {1: (30, "")}
        run_until(app, lambda app: not app.warning)
        assert texts(app) == ["2 objects", "the rest"]


def test_what_waiting_does_not_cure_offers_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CannedServer()) as canned:
        monkeypatch.setenv("SERVING_ADDRESS", canned.address)
        canned.once = [abort(grpc.StatusCode.INTERNAL, "![](http://host.invalid/x.png)")]
        app = AppTest.from_string(ASK).run()
        assert not app.exception
        assert "![]" not in app.error[0].value
        app.button[0].click().run()
        assert texts(app) == ["2 objects", "the rest"]
