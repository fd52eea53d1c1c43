"""The view Model, with only the wire faked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rhymes.common.files import save_json
from rhymes.metrics import catalogue
from tests.app.conftest import View
from tests.support.coco_factory import draw_jpeg
from tests.support.color_server import ColorServer
from tests.support.page_data import HOSTILE, RED, check, choose, save_evaluation, save_split, told

pytestmark = pytest.mark.usefixtures("coco_metrics")

CLASSES = (HOSTILE, "NA", "a.b[c]")


@pytest.fixture
def reports(folder: Path) -> Path:
    """What evaluate, train and verify write, small."""
    save_split(folder, "test", [RED])
    save_evaluation(folder)
    evaluate = folder / "reports/evaluate"
    metrics: dict[str, Any] = {"images": 1, "objects": 3, "AP": 0.5, "AP50": None, "mask_AP": 0.25}
    per_class = {"AP": 0.5, "AP50": 0.75, "objects": 1}
    metrics["classes"] = dict.fromkeys(CLASSES, per_class) | {"x": per_class | {"AP": None}}
    save_json(evaluate / "metrics.json", metrics)
    plots = evaluate / "plots"
    plots.mkdir()
    (plots / "precision_recall.csv").write_text("recall,iou50,iou75\n0.0,1.0,1.0\n1.0,0.5,0.25\n")
    (plots / "mask_precision_recall.csv").write_text("recall,iou50,iou75\n")
    rows = [f'box,"{name}",0.5,0.0,1.0\nbox,"{name}",0.5,1.0,0.5\n' for name in CLASSES]
    (plots / "class_precision_recall.csv").write_text(
        "kind,class,iou,recall,precision\n" + "".join(rows)
    )
    (plots / "confusion_counts.csv").write_text(
        f'actual,predicted,count\n"{HOSTILE}","{HOSTILE}",3\nNA,a.b[c],2\n(background),NA,1\n'
    )
    (evaluate / "images").mkdir()
    (evaluate / "images/01_a.png").write_bytes(draw_jpeg(20, 10, 1))
    curves = folder / "reports/train/plots/metrics"
    for split, name in (("train", "loss"), ("train", "learning_rate"), ("val", "AP")):
        (curves / split).mkdir(parents=True, exist_ok=True)
        (curves / split / f"{name}.tsv").write_text(f"step\t{name}\n10\t2.5\n20\t1.5\n")
    save_json(folder / "reports/verify/metrics.json", {"version": 2, "images": 36})
    save_gate(folder, passed=True)
    return folder


def save_gate(folder: Path, *, passed: bool) -> None:
    """What the gate writes: without a baseline if it passed, else against one."""
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    undefined = {"value": None, "low": None, "high": None}
    lost = {"candidate": 0.5, "baseline": 0.75, "value": -0.25, "low": -0.3, "high": -0.2}
    unknown = {"candidate": None, "baseline": None, **undefined}
    classes = {
        "NA": {"images": 0, "AP": unknown},
        HOSTILE: {"images": 9, "AP": lost},
    }
    value: dict[str, Any] = {
        "passed": passed,
        "reasons": [] if passed else [f"AP of class {HOSTILE!r} fell."],
        "notes": [f"Look at {HOSTILE}"],
        "version": 2,
        "baseline": None if passed else {"version": 1, "tag": HOSTILE, "identity": "b" * 64},
        "figures": {"AP": estimate, "AP50": undefined},
        "differences": None if passed else {"AP": lost, "AP50": unknown},
        "classes": None if passed else classes,
    }
    save_json(folder / "reports/gate/gate.json", value)
    (folder / "reports/gate/model_card.html").write_text("<p>card</p>")


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


@pytest.mark.parametrize("part", ["Quality", "Gate", "Training"])
def test_nothing_there_yet(wire: ColorServer, open_view: View, part: str) -> None:
    app = choose(check(open_view("model")), "model part", part)
    assert [code.value for code in app.code] == ["make repro"]


def test_quality(wire: ColorServer, reports: Path, open_view: View) -> None:
    app = check(open_view("model"))
    assert [each.value for each in app.metric] == ["0.500", "n/a", "0.250"]
    assert charts(app) == 2
    by_class = next(f.value for f in app.dataframe if "Boxes, AP" in f.value.columns)
    assert by_class["Class"].tolist() == [*CLASSES, "x"], "undefined comes last"
    confused = next(f.value for f in app.dataframe if "Taken for" in f.value.columns)
    assert confused.iloc[0].tolist() == ["NA", "a.b[c]", 2]
    assert len(app.image) == 1
    app.multiselect(key="model classes").set_value(["NA", HOSTILE]).run()
    assert charts(check(app)) == 2
    assert "<img" not in told(app)


def test_a_new_headline_metric_is_shown(
    wire: ColorServer, reports: Path, open_view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = replace(catalogue.find_metric("AP50"), name="added", title="an added one")
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, added))
    path = reports / "reports/evaluate/metrics.json"
    values = json.loads(path.read_text())
    classes = {name: each | {"added": 0.125} for name, each in values["classes"].items()}
    save_json(path, values | {"added": 0.625, "classes": classes})
    app = check(open_view("model"))
    tiles = {each.label: each.value for each in app.metric}
    assert tiles["Boxes, an added one"] == "0.625"
    by_class = next(f.value for f in app.dataframe if "Boxes, AP" in f.value.columns)
    assert set(by_class["Boxes, an added one"]) == {0.125}


@pytest.mark.parametrize(
    "gone", ["plots/confusion_counts.csv", "plots/precision_recall.csv", "images"]
)
def test_a_missing_part_does_not_hide_the_others(
    wire: ColorServer, reports: Path, open_view: View, gone: str
) -> None:
    path = reports / "reports/evaluate" / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    app = check(open_view("model"))
    assert [code.value for code in app.code] == ["make repro"]
    assert app.metric
    assert charts(app) + len(app.image) == 2


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        pytest.param("one-2", "the one that is served", id="served"),
        pytest.param("f" * 64, "of another model than the one that is served", id="another"),
    ],
)
def test_says_whose_figures_they_are(
    wire: ColorServer, reports: Path, open_view: View, identity: str, expected: str
) -> None:
    path = reports / "reports/evaluate/model.json"
    path.write_text(path.read_text().replace("0" * 64, identity))
    assert expected in told(check(open_view("model")))


def test_figures_without_a_server(
    reports: Path, open_view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_ADDRESS", "127.0.0.1:9")
    app = check(open_view("model"))
    assert "No server answers" in told(app)
    assert app.metric


def test_figures_on_other_data(wire: ColorServer, reports: Path, open_view: View) -> None:
    (reports / "data/coco/test.json").write_text("{}")
    assert "another test split" in told(check(open_view("model")))


def test_a_gate_that_was_passed(wire: ColorServer, reports: Path, open_view: View) -> None:
    app = choose(check(open_view("model")), "model part", "Gate")
    assert [each.value for each in app.success] == ["Version 2 passed the gate without a baseline."]
    figures = app.dataframe[0].value
    assert figures.columns.tolist() == ["Figure", "Value", "Interval"]
    assert figures.iloc[0].tolist() == ["Boxes, AP", "0.500", "0.400 to 0.600"]
    assert figures.iloc[1].tolist() == ["Boxes, AP50", "n/a", ""]
    assert "another model" in told(app)
    assert len(app.get("download_button")) == 1


def test_a_gate_that_was_failed(wire: ColorServer, reports: Path, open_view: View) -> None:
    save_gate(reports, passed=False)
    app = choose(check(open_view("model")), "model part", "Gate")
    assert len(app.error) == 1
    assert "failed the gate" in app.error[0].value
    assert "<img" not in told(app)
    figures, classes = app.dataframe[0].value, app.dataframe[1].value
    assert figures["Change"].tolist() == ["-0.250 (-0.300 to -0.200)", "n/a"]
    assert classes["Class"].tolist() == [HOSTILE, "NA"], "the greatest loss first"
    (reports / "reports/gate/model_card.html").unlink()
    app = choose(check(open_view("model")), "model part", "Gate")
    assert [code.value for code in app.code] == ["make repro"]
    assert "failed the gate" in app.error[0].value


def test_training(wire: ColorServer, reports: Path, open_view: View) -> None:
    app = choose(check(open_view("model")), "model part", "Training")
    assert charts(app) == 2
    assert app.multiselect[0].options == ["loss"]
    app.multiselect[0].set_value([]).run()
    assert "Nothing to show yet" in told(check(app))


def test_origin(wire: ColorServer, reports: Path, open_view: View) -> None:
    wire.info |= {
        "model": "mask_rcnn",
        "params": {"steps": 400, "augmentation": {"flip": True}},
        "data": {"sha256": "d" * 64},
        "environment": {"python": "3.12"},
        "pretrained": None,
        "validation": {"metrics": {"AP": 0.5}},
    }
    wire.statuses = {2: (30, ""), 1: (30, ""), 3: (50, "bad file")}
    app = choose(check(open_view("model")), "model part", "Origin")
    states, origin = app.dataframe[0].value, app.dataframe[1].value
    assert states["State"].tolist() == ["END", "AVAILABLE", "AVAILABLE"]
    assert states["Error"].tolist() == ["bad file", "", ""]
    known = dict(origin.to_numpy().tolist())
    assert known["train.steps"] == "400"
    assert known["train.augmentation.flip"] == "True"
    assert known["training data (SHA-256)"] == "d" * 64
    assert known["trained with python"] == "3.12"
    assert known["pretrained weights (SHA-256)"] == "none"
    assert known["these very files (SHA-256 of the manifest)"] == "one-2"
    assert "was verified" in told(app)


def test_origin_without_a_server_still_tells_of_verify(
    reports: Path, open_view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_ADDRESS", "127.0.0.1:9")
    app = choose(check(open_view("model")), "model part", "Origin")
    assert "No model server answers" in told(app)
    assert "was verified" in told(app)


def test_no_git_no_experiments(wire: ColorServer, reports: Path, open_view: View) -> None:
    app = choose(check(open_view("model")), "model part", "Experiments")
    assert "\\.git" in told(app)
    assert [code.value for code in app.code] == ["git clone"]
