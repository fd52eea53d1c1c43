"""The whole stage, on what an evaluation leaves behind."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, save_json
from rhymes.metrics import catalogue
from stages import gate
from tests.support.evaluated_model import (
    HOSTILE,
    load,
    publish,
    save_evaluated_model,
    save_measured,
    save_params,
    save_training,
)

pytestmark = pytest.mark.usefixtures("coco_metrics")

VOID = {"meta", "img", "br", "hr", "input", "link"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_evaluated_model()
    return tmp_path


def card() -> str:
    return (gate.REPORT / "model_card.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags of a page, whether they close, what it points to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def read_page(html: str) -> Page:
    page = Page()
    page.feed(html)
    assert page.open == []
    return page


def test_without_a_baseline_it_passes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate.main()
    value = load(gate.REPORT / "gate.json")
    assert value["passed"] is True
    assert value["baseline"] is None
    assert value["identity"] == "a" * 64
    assert capsys.readouterr().out.splitlines()[:2] == [
        "gate: PASSED without a baseline",
        "  No baseline: no version is published yet.",
    ]
    assert load(gate.REPORT / "metrics.json") == {"gate_passed": True}
    assert "without a baseline" in card()


def test_against_itself_it_passes(repository: Path) -> None:
    publish()
    gate.main()
    value = load(gate.REPORT / "gate.json")
    assert value["passed"] is True
    assert value["baseline"] == {"version": 1, "tag": "detector@v1.0.0", "identity": "b" * 64}
    for figure in ("AP", "AP50", "mask_AP", "mask_AP50"):
        assert value["differences"][figure]["value"] == 0
        assert load(gate.EVALUATION / "metrics.json")[figure] == pytest.approx(
            value["figures"][figure]["value"], abs=1e-6
        )


def test_a_failed_gate_is_a_result_that_says_why(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(without=3)
    gate.main()
    printed = capsys.readouterr().out
    assert printed.startswith("gate: FAILED against detector@v1.0.0\n  - AP fell from ")
    value = load(gate.REPORT / "gate.json")
    assert value["passed"] is False
    assert any("AP of class 'C3' fell" in reason for reason in value["reasons"])
    metrics = load(gate.REPORT / "metrics.json")
    assert metrics["gate_passed"] is False
    assert metrics["AP_change"] < -0.1
    page = read_page(card())
    assert "FAILED" in page.text
    for reason in value["reasons"]:
        assert reason in page.text


def test_the_card_shows_a_headline_metric_that_has_no_interval(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = replace(
        catalogue.find_metric("AP75"), title="added", sentence="an added figure", is_headline=True,
        name="added",
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, added))
    save_measured(load(gate.TEST), load(gate.EVALUATION / "detections.json"))
    publish()
    gate.main()
    value = f"{load(gate.EVALUATION / 'metrics.json')['added']:.3f}"
    assert f"<tr><td>Boxes: an added figure</td><td>{value}</td>" in card()
    assert "<th>mask AP50</th><th>added</th>" in card()


def test_same_input_same_bytes(repository: Path) -> None:
    publish(without=3)
    gate.main()
    first = {path.name: path.read_bytes() for path in gate.REPORT.iterdir()}
    (gate.REPORT / "old.txt").write_text("left")
    gate.main()
    assert {path.name: path.read_bytes() for path in gate.REPORT.iterdir()} == first
    assert set(first) == {"gate.json", "metrics.json", "model_card.html"}
    assert str(repository).encode() not in b"".join(first.values())


def test_the_card_holds_everything_in_itself_and_no_name_becomes_markup(repository: Path) -> None:
    publish(without=2)
    gate.main()
    html = card()
    page = read_page(html)
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 5, "class, reason, label, warning, weights"
    assert "http" not in re.sub(r"base64,[^\"]*", "", html).replace("http-equiv", "")
    assert len(page.sources) == 6, "the worst six of eight"
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert len(html) < 2_000_000


def test_the_card_tells_of_data_training_and_hashes(repository: Path) -> None:
    publish()
    gate.main()
    text = " ".join(read_page(card()).text.split())
    for part in (
        "150 of 153 rows kept", "390 of 400 objects kept", "bad_cell 3 rows whose cell",
        "was trained with Python 3.12 and NumPy 2.5.5.",
        "train.augmentation.flip True", "step 300, the best by mask_AP", "gate.max_ap_loss 0.02",
        "a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64, file_to_sha256(gate.TEST),
        "and 2 more", "the same",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize(
    ("distance", "sentence"),
    [
        (47, "like one of the training has distance 47 from it (copies of an image: up to 30;"),
        (20, "so that figures are too good."),
        (None, "How near they are to the images of the training is not known"),
    ],
)
def test_the_card_says_how_near_test_images_are_to_the_training(
    repository: Path, distance: int | None, sentence: str
) -> None:
    path = repository / "data/coco/report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    found = report["nearest_to_train"]["test"]
    found["nearest_distance"] = distance
    found["closest"] = found["closest"] if distance is not None else []
    path.write_text(json.dumps(report), encoding="utf-8")
    gate.main()
    text = " ".join(read_page(card()).text.split())
    assert sentence in text
    assert ("figures are too good" in text) == (distance == 20)


def test_a_card_without_images_masks_and_objects(repository: Path) -> None:
    split = load(gate.TEST) | {"annotations": []}
    save_json(gate.TEST, split)
    save_measured(split, [])
    for path in (gate.EVALUATION / "images").iterdir():
        path.unlink()
    save_training(pretrained=None)
    gate.main()
    page = read_page(card())
    assert page.sources == []
    assert "n/a" in page.text
    assert "none, random weights" in page.text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("reports/evaluate/detections.json", "[", r"detections\.json: not JSON"),
        ("reports/evaluate/model.json", None, r"model\.json: missing; run `dvc repro`"),
        ("reports/published/detections.json", "<<<<<<< HEAD", r"published/detections\.json: not"),
        ("data/coco/report.json", "{}", "the model card lacks .*; run `dvc repro`"),
        ("reports/evaluate/images/1_a.png", "no image", r"1_a\.png: no image"),
        ("data/coco/test.json", None, r"test\.json: cannot be read"),
    ],
)
def test_broken_input_is_an_error_and_leaves_no_half_report(
    repository: Path, name: str, text: str | None, message: str
) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        gate.main()
    assert not gate.REPORT.exists()


def test_detections_of_another_split_are_an_error(repository: Path) -> None:
    split = load(gate.TEST)
    split["images"][0]["source"] = "renamed"
    save_json(gate.TEST, split)
    with pytest.raises(InputError, match=r"reports/evaluate is of another data/coco/test\.json"):
        gate.main()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"resamples": 10}, r"gate\.resamples: got 10", id="resamples"),
        pytest.param({"confidence": 1.0}, r"gate\.confidence: got 1\.0", id="confidence"),
        pytest.param({"min_ap50": 2.0}, r"gate\.min_ap50: got 2", id="AP50"),
        pytest.param({"max_ap_los": 0.1}, "did you mean 'max_ap_loss'", id="unknown"),
    ],
)
def test_params_are_checked(repository: Path, change: dict[str, Any], message: str) -> None:
    save_params(**change)
    with pytest.raises(InputError, match=message):
        gate.main()
