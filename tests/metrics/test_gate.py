"""The gate: who passes, who fails, and what is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rhymes.metrics.gate import Comparison, Decision, GateParams, decide
from rhymes.metrics.gate_measuring import compare, gate_to_json, gate_to_metrics, measure_candidate
from rhymes.versions.published import Published, results_to_published
from tests.support.coco_factory import boxes_to_coco
from tests.support.detection_factory import detect, make_split

pytestmark = pytest.mark.usefixtures("coco_metrics")

RULES = GateParams(
    seed=1, resamples=100, confidence=0.95, min_ap50=0.0, max_ap_loss=0.02,
    max_class_ap_loss=0.05,
)  # fmt: skip
MODEL = {"version": 2, "identity": "a" * 64, "test_sha256": "b" * 64}


def publish(split: Any, results: list[Any]) -> Published:
    return results_to_published(split, results, MODEL | {"version": 1}, "detector@v1.0.0")


def run_gate(
    split: Any, results: list[Any], published: Published | None, **changes: Any
) -> tuple[Decision, Comparison | None]:
    rules = replace(RULES, **changes)
    measured = measure_candidate(split, results, rules.bootstrap)
    comparison = None
    if published:
        comparison = compare(split, results, published, rules.bootstrap)
    return decide(measured, comparison, rules), comparison


def lose_class(split: Any, results: list[Any], class_id: int, rng: Any) -> list[Any]:
    return [result for result in results if result["category_id"] != class_id]


def shuffle_scores(split: Any, results: list[Any], class_id: int, rng: Any) -> list[Any]:
    """A head that no longer tells the class from the rest: any box may get any score."""
    noise = [
        result | {"category_id": class_id, "score": float(rng.random())}
        for result in results
        if result["category_id"] != class_id
    ]
    damaged = [
        result | {"score": float(rng.random())} if result["category_id"] == class_id else result
        for result in results
    ]
    return damaged + noise


def shift_boxes(split: Any, results: list[Any], class_id: int, rng: Any) -> list[Any]:
    """A head that puts the class's boxes half their width aside."""
    damaged = []
    for result in results:
        if result["category_id"] == class_id:
            x, y, width, height = result["bbox"]
            aside = x + width / 2 if x + 1.5 * width <= 640 else x - width / 2
            result = result | {"bbox": [aside, y, width, height]}
        damaged.append(result)
    return damaged


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_a_model_against_itself_passes_for_any_seed(masks: bool) -> None:
    for seed in range(100):
        split = make_split(seed, classes=4)
        results = detect(split, seed + 1000, masks=masks)
        decision, comparison = run_gate(split, results, publish(split, results), seed=seed)
        assert decision.passed, decision.reasons
        assert comparison is not None
        assert ("mask_AP" in comparison.figures) == masks
        for difference in comparison.figures.values():
            assert difference.is_same
            assert not difference.is_better
        for of_class in comparison.classes.values():
            change = of_class.figures["AP"].change
            assert {change.value, change.low, change.high} <= {0.0, None}, "exactly"


@pytest.mark.parametrize("damage", [lose_class, shuffle_scores, shift_boxes])
def test_a_model_with_a_damaged_class_fails_for_any_seed(damage: Any) -> None:
    for seed in range(100):
        split = make_split(seed, images=36, classes=4)
        results = detect(split, seed + 1000)
        class_id = 1 + seed % 4
        damaged = damage(split, results, class_id, np.random.default_rng(seed))
        decision, _ = run_gate(split, damaged, publish(split, results), seed=seed)
        assert not decision.passed
        assert any(f"class 'C{class_id}' fell" in reason for reason in decision.reasons)
        others = {f"class 'C{other}' fell" for other in range(1, 5) if other != class_id}
        told = " ".join(decision.reasons)
        assert not any(text in told for text in others), "and names no other"


def test_two_models_of_the_same_quality_seldom_differ() -> None:
    """They differ by what each happens to miss; a rule without intervals would fail most."""
    failed = claimed = lost = 0
    for seed in range(60):
        split = make_split(seed, images=40, classes=6)
        published = publish(split, detect(split, 2 * seed + 1000))
        decision, comparison = run_gate(split, detect(split, 2 * seed + 1001), published)
        assert comparison is not None
        failed += not decision.passed
        claimed += comparison.figures["AP"].is_better
        lost += any(
            (of_class.figures["AP"].change.value or 0) < -RULES.max_class_ap_loss
            for of_class in comparison.classes.values()
        )
    assert lost >= 40, "by more than a rule without intervals allows"
    assert failed <= 6
    assert claimed <= 6


def test_a_much_better_model_is_called_better() -> None:
    split = make_split(1, images=40)
    published = publish(split, detect(split, 2, missed=0.5, jitter=0.15))
    decision, _ = run_gate(split, detect(split, 3, missed=0.02, jitter=0.02), published)
    assert decision.passed
    assert decision.notes[0].startswith("AP rose from ")


def test_chance_is_not_called_progress() -> None:
    split = make_split(1, images=40)
    decision, _ = run_gate(split, detect(split, 3), publish(split, detect(split, 2)))
    assert "this may be chance" in decision.notes[0]


def test_many_small_losses_fail_together() -> None:
    """No class lost more than is allowed, but all of them lost."""
    split = make_split(1, images=60, classes=2)
    results = detect(split, 2, jitter=0.02)
    wide = [r | {"bbox": [*r["bbox"][:2], r["bbox"][2] * 1.06, r["bbox"][3]]} for r in results]
    decision, _ = run_gate(split, wide, publish(split, results), max_class_ap_loss=1.0)
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith("AP fell from ")
    assert decision.reasons[0].endswith("gate.max_ap_loss allows 0.02.")
    decision, _ = run_gate(
        split, wide, publish(split, results), max_class_ap_loss=1.0, max_ap_loss=1.0
    )
    assert decision.passed
    assert "gate.max_ap_loss allows it" in decision.notes[0]


def test_masks_alone_may_fail() -> None:
    split = make_split(1, images=40, classes=2)
    results = detect(split, 2, masks=True)
    damaged = [
        r | {"segmentation": results[0]["segmentation"]} if r["category_id"] == 2 else r
        for r in results
    ]
    decision, comparison = run_gate(split, damaged, publish(split, results))
    assert [reason.split(" fell")[0] for reason in decision.reasons] == [
        "Mask AP", "Mask AP of class 'C2'",
    ]  # fmt: skip
    assert comparison is not None
    assert comparison.figures["AP"].is_same


@pytest.mark.parametrize(
    ("ours", "theirs", "who"),
    [(True, False, "the candidate"), (False, True, "the published version")],
)
def test_masks_of_one_are_not_compared_and_that_is_said(ours: bool, theirs: bool, who: str) -> None:
    split = make_split(1)
    published = publish(split, detect(split, 2, masks=theirs))
    decision, comparison = run_gate(split, detect(split, 2, masks=ours), published)
    assert comparison is not None
    assert set(comparison.figures) == {"AP", "AP50"}
    assert f"Masks are not compared: {who} alone gives them." in decision.notes


def test_nothing_published_passes() -> None:
    split = make_split(1)
    decision, _ = run_gate(split, detect(split, 2), None)
    assert decision == Decision((), ("No baseline: no version is published yet.",))


def test_ap50_has_a_floor_also_without_a_baseline() -> None:
    split = make_split(1)
    results = detect(split, 2)
    decision, _ = run_gate(split, results, None, min_ap50=0.99)
    assert decision.reasons[0].startswith("AP50 is 0.")
    assert decision.reasons[0].endswith(", below gate.min_ap50 = 0.99.")
    assert not run_gate(split, results, publish(split, results), min_ap50=0.99)[0].passed
    assert run_gate(split, results, None, min_ap50=0.1)[0].passed
    empty = boxes_to_coco([], ["C1"], 3)
    assert "AP50 is undefined" in run_gate(empty, [], None, min_ap50=0.1)[0].reasons[0]
    assert run_gate(empty, [], None)[0].passed


def renamed(split: Any, names: dict[str, str]) -> Any:
    copy = json.loads(json.dumps(split))
    for category in copy["categories"]:
        category["name"] = names.get(category["name"], category["name"])
    return copy


def moved(split: Any, places: list[int]) -> Any:
    """The same images at these places with other ones put in before them."""
    copy = json.loads(json.dumps(split))
    for image in copy["images"]:
        if image["id"] not in places:
            image["file_name"] = f"other{image['id']}.jpg"
    return copy


def test_images_of_one_split_alone_are_left_out_and_counted() -> None:
    split = make_split(1, images=30)
    results = detect(split, 2)
    theirs = moved(split, list(range(11, 31)))  # the other 10 are no longer in the test split
    # In the images that only one of them has, the candidate finds nothing: that must not count.
    ours = [result for result in results if result["image_id"] > 10]
    decision, comparison = run_gate(split, ours, publish(theirs, results))
    assert comparison is not None
    counts = comparison.images, comparison.candidate_only, comparison.baseline_only
    assert counts == (20, 10, 10)
    assert decision.passed
    assert comparison.figures["AP"].is_same
    assert (
        "20 images are in both test splits and were compared; left out were 10 of the candidate's "
        "alone and 10 of the published version's alone." in decision.notes
    )


def test_other_ids_of_images_and_classes_do_not_matter() -> None:
    split = make_split(1, images=30)
    results = detect(split, 2)
    published = publish(split, results)
    other = json.loads(json.dumps(split))
    for record in (*other["images"], *other["categories"]):
        record["id"] = (31 if "width" in record else 4) - record["id"]
    for record in (*other["annotations"], *(results := json.loads(json.dumps(results)))):
        record["image_id"] = 31 - record["image_id"]
        record["category_id"] = 4 - record["category_id"]
    _, comparison = run_gate(other, results, published)
    assert comparison is not None
    assert comparison.images == 30
    assert all(difference.is_same for difference in comparison.figures.values())


def test_a_renamed_class_is_named_and_not_compared() -> None:
    split = make_split(1, images=30)
    results = detect(split, 2)
    published = publish(renamed(split, {"C2": "old"}), results)
    lost = [result for result in results if result["category_id"] != 2]
    decision, comparison = run_gate(split, lost, published)
    assert decision.passed
    assert comparison is not None
    assert set(comparison.classes) == {"C1", "C3"}
    assert "Not compared: classes that the published version does not know: 'C2'." in decision.notes
    assert "Not compared: classes that the candidate no longer knows: 'old'." in decision.notes


def test_both_are_measured_on_the_ground_truth_of_today() -> None:
    """The published version was right about objects that were labelled only since."""
    split = make_split(1, images=40)
    results = detect(split, 2, missed=0)
    before = json.loads(json.dumps(split))
    before["annotations"] = before["annotations"][::2]
    missing = [r for i, r in enumerate(detect(split, 2, missed=0)) if i % 2]
    decision, comparison = run_gate(split, missing, publish(before, results))
    assert not decision.passed
    assert comparison is not None
    assert comparison.figures["AP"].baseline == pytest.approx(
        measure_candidate(split, results, RULES.bootstrap).figures["AP"].value
    )


@pytest.mark.parametrize(
    ("ours", "names"),
    [
        pytest.param([], {}, id="no image"),
        pytest.param(list(range(1, 31)), {"C1": "a", "C2": "b", "C3": "c"}, id="no class"),
    ],
)
def test_what_cannot_be_compared_fails_and_says_what_to_do(
    ours: list[int], names: dict[str, str]
) -> None:
    split = make_split(1, images=30)
    results = detect(split, 2)
    published = publish(renamed(moved(split, ours), names), results)
    decision, _ = run_gate(split, results, published)
    assert "cannot be compared" in decision.reasons[0]
    assert "remove reports/published/detections.json" in decision.reasons[0]


def test_of_few_images_little_is_known_and_that_is_said() -> None:
    split = make_split(1, images=30)
    results = detect(split, 2)
    decision, _ = run_gate(split, results, publish(moved(split, [1, 2, 3, 4]), results))
    assert decision.passed
    assert "Only 4 images were compared, so little is known." in decision.notes
    lost = lose_class(split, results, 1, None)
    assert not run_gate(split, lost, publish(moved(split, [1, 2, 3, 4]), results))[0].passed


def test_the_published_version_itself_passes_also_where_nothing_can_be_compared() -> None:
    empty = boxes_to_coco([], ["C1"], 3)
    measured = measure_candidate(empty, [], RULES.bootstrap)
    comparison = compare(empty, [], publish(empty, []), RULES.bootstrap)
    assert not decide(measured, comparison, RULES).passed
    decision = decide(measured, comparison, RULES, is_published=True)
    assert decision.passed
    assert decision.notes[0] == "This is the published version itself."


def with_rare(*places: int) -> Any:
    """A split in which only these images have objects of the class C3."""
    split = make_split(1, images=40, classes=3)
    kept = [a for a in split["annotations"] if a["category_id"] != 3]
    for number, place in enumerate(places, start=900):
        box = {"bbox": [300.0, 200, 80, 60], "area": 4800.0}
        ids = {"id": number, "image_id": place, "category_id": 3}
        kept.append(split["annotations"][0] | ids | box)
    split["annotations"] = kept
    return split


@pytest.mark.parametrize("places", [[5], [5, 6], [5, 6, 7]], ids=["1", "2", "3"])
def test_a_rare_class_that_alone_is_damaged_fails(places: list[int]) -> None:
    split = with_rare(*places)
    results = detect(split, 2, missed=0)
    lost = lose_class(split, results, 3, None)
    decision, comparison = run_gate(split, lost, publish(split, results), max_ap_loss=1.0)
    assert comparison is not None
    assert comparison.classes["C3"].images == len(places)
    assert [reason.split(" fell")[0] for reason in decision.reasons] == ["AP of class 'C3'"]


def test_a_rare_class_that_is_lost_among_noise_is_named() -> None:
    split = with_rare(5)
    noisy = {"missed": 0.3, "jitter": 0.12}
    # An IoU of 0.62: right at three of COCO's ten thresholds.
    box = [300.0, 200, 80 * 0.62, 60]
    found = [{"image_id": 5, "category_id": 3, "bbox": box, "score": 0.9}]
    theirs = [r for r in detect(split, 2, **noisy) if r["category_id"] != 3]
    ours = [r for r in detect(split, 3, **noisy) if r["category_id"] != 3]
    decision, _ = run_gate(split, ours, publish(split, theirs + found), max_ap_loss=1.0)
    assert decision.passed
    assert any(
        note.startswith("Classes that lost more than 0.05 AP, which may be chance: 'C3'")
        for note in decision.notes
    )


def test_json_says_what_publishing_needs() -> None:
    split = make_split(1)
    results = detect(split, 2)
    published = publish(split, results)
    measured = measure_candidate(split, results, RULES.bootstrap)
    comparison = compare(split, results, published, RULES.bootstrap)
    decision = decide(measured, comparison, RULES)
    value = gate_to_json(decision, measured, comparison, MODEL, published)
    json.dumps(value, allow_nan=False)
    assert value["passed"] is True
    assert value["reasons"] == []
    assert (value["version"], value["identity"], value["test_sha256"]) == (2, "a" * 64, "b" * 64)
    assert value["baseline"] == {"version": 1, "tag": "detector@v1.0.0", "identity": "a" * 64}
    assert value["images"] == {"compared": 24, "candidate_only": 0, "baseline_only": 0}
    assert value["figures"]["AP"]["low"] < value["figures"]["AP"]["value"]
    assert set(value["classes"]) == {"C1", "C2", "C3"}
    assert gate_to_metrics(decision, comparison) == {
        "gate_passed": True, "AP_change": 0.0, "AP50_change": 0.0
    }  # fmt: skip
    alone = gate_to_json(decide(measured, None, RULES), measured, None, MODEL, None)
    assert alone["baseline"] is None
    assert gate_to_metrics(decide(measured, None, RULES), None) == {"gate_passed": True}
