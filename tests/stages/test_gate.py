"""The whole stage, on what an evaluation leaves behind."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, save_json
from rhymes.export.annotations import Reason
from rhymes.metrics.evaluation import Thresholds, evaluate_results, save_evaluation, save_results
from rhymes.versions.published import PUBLISHED_FILE, results_to_published, save_published
from stages import gate
from tests.support.detection_factory import detect, make_split

HOSTILE = '<script>alert("x")</script>{{ 7*7 }}&\'`'
PARAMS = {
    "seed": 1, "resamples": 100, "confidence": 0.95, "min_ap50": 0.0, "max_ap_loss": 0.02,
    "max_class_ap_loss": 0.05,
}  # fmt: skip
VOID = {"meta", "img", "br", "hr", "input", "link"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stages before leave, of 30 images with masks; a class has a hostile name."""
    monkeypatch.chdir(tmp_path)
    split = make_split(1, images=30)
    split["categories"][1]["name"] = HOSTILE
    split["images"][0]["source"] = HOSTILE
    save_json(gate.TEST, split)
    save_training()
    save_conversion(split)
    save_measured(split, detect(split, 2, masks=True))
    save_params()
    return tmp_path


def save_params(**changes: Any) -> None:
    YAML().dump({"gate": PARAMS | changes}, Path("params.yaml"))


def save_training(**changes: Any) -> None:
    record = {
        "model": "mask_rcnn",
        "classes": [{"id": i, "name": name} for i, name in enumerate(("C1", HOSTILE, "C3"), 1)],
        "params": {"steps": 400, "backbone": "mobilenet_v2", "augmentation": {"flip": True}},
        "pretrained": {"file": HOSTILE, "sha256": "c" * 64},
        "data": {"sha256": "d" * 64},
        "code": {"sha256": "e" * 64},
        "environment": {"python": "3.12", "numpy": "2.5.5"},
        "validation": {"step": 300, "metrics": {"mask_AP": 0.5}, "ranked_by": "mask_AP"},
    }
    save_json(gate.TRAINING, record | changes)


def save_conversion(split: Any) -> None:
    names = [category["name"] for category in split["categories"]]
    counts = {"train": 100, "val": 20, "test": 30}
    dropped = {str(reason): {"count": 0, "rows": []} for reason in Reason}
    dropped["bad_cell"] = {"count": 3, "rows": [4, 5, 6]}
    save_json(
        gate.CONVERSION,
        {
            "rows": {"read": 153, "kept": 150},
            "items": {"read": 400, "kept": 390, "clipped": 2, "dropped": 10},
            "dropped": dropped,
            "classes": {part: dict.fromkeys(names, 7) for part in counts},
            "images": counts,
            "empty_images": dict.fromkeys(counts, 1),
            "groups": counts,
            "unknown_labels": {f"{HOSTILE}{i}": i for i in range(12)},
            "warnings": [f"class '{HOSTILE}' is in train alone"],
        },
    )


def save_measured(split: Any, results: list[Any]) -> None:
    """Write what `evaluate` writes, by its own functions."""
    folder = gate.EVALUATION
    model = {"version": 2, "identity": "a" * 64, "test_sha256": file_to_sha256(gate.TEST)}
    save_json(folder / "model.json", model)
    save_results(folder / "detections.json", results)
    masks = any("segmentation" in result for result in results)
    save_evaluation(folder, evaluate_results(split, results, masks, Thresholds(0.5, 0.5, 0.5)))
    (folder / "images").mkdir(exist_ok=True)
    for rank in range(1, 9):
        Image.new("RGB", (1000, 60), (30 * rank, 90, 90)).save(folder / f"images/{rank}_a.png")


def publish(*, without: int | None = None) -> None:
    """Publish what was measured, or keep in the measured one no detection of a class."""
    split, model = load(gate.TEST), load(gate.EVALUATION / "model.json")
    results = load(gate.EVALUATION / "detections.json")
    baseline = model | {"version": 1, "identity": "b" * 64}
    save_published(
        PUBLISHED_FILE, results_to_published(split, results, baseline, "detector@v1.0.0")
    )
    if without:
        save_measured(split, [r for r in results if r["category_id"] != without])


def load(path: Path) -> Any:
    return json.loads(path.read_text())


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
