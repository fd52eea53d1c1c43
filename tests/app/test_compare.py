"""The view Compare, with only the wire faked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.versions import join_classes
from rhymes.common.files import save_json
from rhymes.detections.detections import Detections
from rhymes.registry.provenance import provenance_to_message
from tests.app.conftest import View, run_until
from tests.support.color_server import ColorServer
from tests.support.page_data import (
    BLUE,
    GREEN,
    HOSTILE,
    RED,
    check,
    save_evaluation,
    save_split,
    told,
)
from tests.support.registry_project import Project


@pytest.fixture
def app(folder: Path, wire: ColorServer, open_view: View) -> AppTest:
    wire.info["validation"] = {"metrics": {"AP": 0.5, "AP50": 0.75, "mask_AP": None}}
    save_split(folder, "test", [RED, GREEN, BLUE])
    return check(open_view("compare"))


def headline(app: AppTest) -> str:
    return app.subheader[0].value


def test_two_versions_side_by_side(wire: ColorServer, app: AppTest) -> None:
    assert headline(app) == "They agree on 1 object, and differ on 1"
    assert len(app.image) == 2
    assert [app.selectbox(key=f"compare {side} version").value for side in ("left", "right")] == [
        1, 2
    ]  # fmt: skip
    assert app.dataframe[0].value.to_dict("records") == [
        {"One says": "GREEN 0.80", "The other says": "nothing there", "Overlap (IoU)": ""}
    ]
    assert "faint: both sides agree" in told(app)
    assert wire.predictions() == 2
    app.slider[0].set_value(0.85).run()
    assert headline(app) == "They agree on 1 object, and differ on 0"
    app.toggle(key="compare faded").set_value(False).run()
    assert not app.exception
    assert wire.predictions() == 2


def test_a_version_agrees_with_itself(app: AppTest) -> None:
    app.selectbox(key="compare right version").set_value(1).run()
    assert headline(check(app)) == "They agree on 2 objects, and differ on 0"
    assert "faint" not in told(app), "nothing to make room for"


def test_one_version_is_said(wire: ColorServer, app: AppTest) -> None:
    wire.statuses = {1: (30, "")}
    app.selectbox(key="compare right version").set_value(1)
    run_until(app, lambda app: "One version answers" in told(check(app)))


def test_classes_are_the_same_by_name(folder: Path, wire: ColorServer, open_view: View) -> None:
    wire.names[2] = ("BLUE", "GREEN", "PURPLE")
    save_split(folder, "test", [RED])
    app = check(open_view("compare"))
    # Version 2 finds what is red as its first class, which it calls BLUE.
    assert app.dataframe[0].value.to_dict("records") == [
        {"One says": "RED 0.90", "The other says": "BLUE 0.90", "Overlap (IoU)": "1.00"}
    ]
    assert "Only version 1 knows: RED" in told(app).replace("\\", "").replace("\u2060", "")
    assert "PURPLE" in told(app)


def test_figures_of_both(app: AppTest) -> None:
    (figures,) = [f.value for f in app.dataframe if "Difference" in f.value.columns]
    assert figures["version 1"].tolist() == ["0.500", "0.750", "n/a"]
    assert figures["Difference"].tolist() == ["+0.000", "+0.000", ""]


@pytest.mark.parametrize(("identity", "tables"), [("one-2", 2), ("another", 1)])
def test_a_report_is_shown_for_its_own_version_alone(
    folder: Path, app: AppTest, identity: str, tables: int
) -> None:
    save_evaluation(folder)
    path = folder / "reports/evaluate/model.json"
    path.write_text(path.read_text().replace("0" * 64, identity))
    save_json(folder / "reports/evaluate/metrics.json", {"AP": 0.25})
    app.run()
    found = [f.value for f in check(app).dataframe if "Difference" in f.value.columns]
    assert len(found) == tables
    if tables == 2:
        assert found[1]["version 1"].tolist() == ["n/a"]
        assert found[1]["version 2"].tolist() == ["0.250"]


def tag_version(repository: Project, version: int, identity: str, test: dict[str, Any]) -> None:
    """Publish a version, as far as the page reads it."""
    md5 = f"{version:032x}.dir"
    values = {
        "artifact": "detector",
        "version": version,
        "tag": f"detector@v{version}.0.0",
        "model": {"md5": md5, "identity": identity},
        "test": test,
    }
    outs = [{"path": "models/detector", "md5": md5, "hash": "md5"}]
    lock = {"schema": "2.0", "stages": {"export": {"cmd": "", "outs": outs}}}
    (repository.path / "dvc.lock").write_text(json.dumps(lock))
    repository.commit("build")
    repository.git("tag", "-a", "-m", provenance_to_message(values), str(values["tag"]))


@pytest.mark.parametrize(
    ("splits", "differences"), [(("a", "a"), ["+0.250"]), (("a", "b"), None)], ids=["same", "other"]
)
def test_figures_of_published_versions(
    folder: Path, app: AppTest, splits: tuple[str, str], differences: list[str] | None
) -> None:
    repository = Project(folder)
    repository.git("init", "-q")
    for version, split in enumerate(splits, start=1):
        test = {"sha256": split, "metrics": {"AP": 0.25 * version}}
        tag_version(repository, version, f"one-{version}", test)
    st.cache_data.clear()
    app.run()
    figures = check(app).dataframe[-1].value
    assert figures["version 1"].tolist() == ["0.250"]
    assert figures["version 2"].tolist() == ["0.500"]
    shown = told(app).replace("\\", "").replace("\u2060", "")
    assert "detector@v1.0.0 and detector@v2.0.0" in shown
    if differences is None:
        assert "Difference" not in figures.columns
        assert "cannot be compared" in told(app)
    else:
        assert figures["Difference"].tolist() == differences
        assert "cannot be compared" not in told(app)


def test_no_server(folder: Path, open_view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_ADDRESS", "127.0.0.1:9")
    save_split(folder, "test", [RED])
    assert "No model server answers" in told(check(open_view("compare")))


def test_nothing_there_yet(wire: ColorServer, open_view: View) -> None:
    app = check(open_view("compare"))
    assert [code.value for code in app.code] == ["make repro"]


def detections(*class_ids: int) -> Detections:
    n = len(class_ids)
    boxes = np.array([[0, 0, 5, 5]] * n, np.float32).reshape(n, 4)
    return Detections(9, 9, boxes, np.ones(n, np.float32), np.array(class_ids, np.int32))


def test_join_classes() -> None:
    left, right = {1: "a", 2: "b", 3: HOSTILE}, {1: "c", 2: "a", 3: HOSTILE}
    common = join_classes(left, right)
    assert common.names == {1: "a", 2: "b", 3: HOSTILE, 4: "c"}
    assert (common.left_only, common.right_only) == (("b",), ("c",))
    assert common.renumber(detections(1, 2, 3), left).class_ids.tolist() == [1, 2, 3]
    assert common.renumber(detections(1, 2, 3), right).class_ids.tolist() == [4, 1, 3]
    assert common.renumber(detections(9), right).class_ids.tolist() == [9], "nobody knows it"
