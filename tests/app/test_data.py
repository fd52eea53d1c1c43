"""The view Data, with only the wire faked."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from rhymes.coco.agreement import AgreementCounts, ObjectVotes, agreement_to_report
from rhymes.common.files import save_json
from tests.app.conftest import View
from tests.support.color_server import ColorServer
from tests.support.page_data import (
    BLUE,
    GREEN,
    HOSTILE,
    RED,
    REPORT,
    check,
    choose,
    save_evaluation,
    save_split,
    told,
)


def test_nothing_there_yet(folder: Path, open_view: View) -> None:
    app = check(open_view("data"))
    for part in ("Images", "Likely label errors", "Classes", "Export"):
        choose(app, "data part", part)
        assert [code.value for code in app.code] == ["make repro"], part
    save_split(folder, "test", [RED])
    choose(app, "data part", "Images")
    assert "1 object" in told(app)


def test_stepping_through_a_split(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED], [], [RED, GREEN])
    app = check(open_view("data"))
    assert "test\\_0\\.png**: 1 object" in told(app)
    app.button[1].click().run()
    assert "test\\_1\\.png**: nothing in it" in told(app)
    app.button[0].click().run()
    app.button[0].click().run()
    assert "test\\_2\\.png**: 2 objects" in told(app), "around the beginning"
    app.number_input[0].set_value(2).run()
    assert "test\\_1\\.png" in told(check(app))
    assert len(app.image) == 1


@pytest.mark.parametrize(
    ("class_id", "text", "shown", "count"),
    [
        pytest.param(2, "", "test\\_2", 1, id="a class"),
        pytest.param(-1, "", "test\\_1", 1, id="no object"),
        pytest.param(0, "T_1", "test\\_1", 1, id="by name"),
        pytest.param(1, "", "test\\_0", 2, id="several"),
    ],
)
def test_filters(
    folder: Path, open_view: View, class_id: int, text: str, shown: str, count: int
) -> None:
    save_split(folder, "test", [RED], [], [RED, GREEN])
    app = check(open_view("data"))
    app.number_input[0].set_value(3).run()
    app.selectbox(key="data class").set_value(class_id)
    app.text_input(key="data name").set_value(text)
    check(app.run())
    assert app.number_input[0].max == count
    app.number_input[0].set_value(1).run()
    assert f"**{shown}" in told(app)


def test_a_filter_that_leaves_nothing(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED])
    app = check(open_view("data"))
    app.selectbox(key="data class").set_value(3).run()
    assert "No image of this split fits" in told(check(app))


def test_what_the_report_missed_and_invented(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED, GREEN, BLUE])
    save_evaluation(
        folder, (1, 1, RED[1], 0.9), (1, 1, GREEN[1], 0.8), (1, 2, (70, 50, 10, 10), 0.7),
        (1, 3, (0, 0, 5, 5), 0.2),
    )  # fmt: skip
    app = check(open_view("data"))
    choose(app, "data beside test", "Report's predictions")
    assert (
        "1 true positive, 1 missed (false negative), 1 taken for another class, 1 false positive"
        in told(app)
    )
    assert "Version 7" in told(app)
    assert len(app.image) == 2
    app.slider[0].set_value(0.1).run()
    assert "2 false positives" in told(check(app))


def test_a_report_on_other_data_is_refused(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED])
    save_evaluation(folder)
    save_split(folder, "test", [RED, GREEN])
    app = choose(check(open_view("data")), "data beside test", "Report's predictions")
    assert "another test split" in told(app)


def test_the_served_model_beside_any_split(
    folder: Path, open_view: View, wire: ColorServer
) -> None:
    save_split(folder, "train", [RED, GREEN])
    app = choose(check(open_view("data")), "data split", "train")
    assert not wire.asked
    choose(app, "data beside train", "Served model's predictions")
    assert "1 true positive, 1 missed (false negative)" in told(app), "version 2 is blind to green"
    app.slider[0].set_value(0.9).run()
    assert wire.predictions() == 1


def test_no_server_for_the_served_model(
    folder: Path, open_view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_ADDRESS", "127.0.0.1:9")
    save_split(folder, "train", [RED])
    app = choose(check(open_view("data")), "data split", "train")
    choose(app, "data beside train", "Served model's predictions")
    assert "No model server answers" in told(app)


def test_label_errors_of_the_test_split(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED], [GREEN])
    save_evaluation(
        folder, (1, 1, RED[1], 0.9), (2, 1, GREEN[1], 0.8), (2, 3, BLUE[1], 0.95)
    )  # fmt: skip
    app = choose(check(open_view("data")), "data part", "Likely label errors")
    table = app.dataframe[0].value
    assert table["Problem"].tolist() == ["object without a label", "label of another class"]
    assert table["Model says"].tolist() == ["BLUE", "RED"]
    assert len(app.image) == 2


def test_a_split_without_label_errors(folder: Path, open_view: View) -> None:
    save_split(folder, "test", [RED])
    save_evaluation(folder, (1, 1, RED[1], 0.9))
    app = choose(check(open_view("data")), "data part", "Likely label errors")
    assert "No label of this split is contradicted" in told(app)


def test_label_errors_of_train_are_asked_for_on_demand(
    folder: Path, open_view: View, wire: ColorServer
) -> None:
    factory = save_split(folder, "train", [RED], [RED, BLUE], [BLUE])
    factory.annotations[1]["category_id"] = 2  # what is red is labelled green
    factory.save(folder / "data/coco/train.json")
    app = choose(check(open_view("data")), "data part", "Likely label errors")
    choose(app, "data split", "train")
    assert wire.predictions() == 0
    app.button[0].click().run()
    assert wire.predictions() == 3
    table = check(app).dataframe[0].value
    assert table["Problem"].tolist()[0] == "label of another class"
    assert table["Image"].tolist()[0] == "train_1.png"
    app.run()
    assert wire.predictions() == 3


def test_class_balance(folder: Path, open_view: View) -> None:
    save_json(folder / "data/coco/report.json", REPORT)
    app = choose(check(open_view("data")), "data part", "Classes")
    table = app.dataframe[0].value
    assert table["Class"].tolist() == ["RED", HOSTILE, "NA"]
    assert table["all"].tolist() == [12, 2, 2]
    assert "Not in train" in told(app)
    assert "Not in val: NA" in told(app)
    assert "<img" not in told(app)
    assert "![](" not in told(app)


def test_what_was_left_out(folder: Path, open_view: View) -> None:
    save_json(folder / "data/coco/report.json", REPORT)
    index = folder / "data/export/index.csv"
    index.parent.mkdir(parents=True)
    index.write_text("image,sha256,width,height,error\na.jpg,00,1,1,\nb.jpg,,,,404 <b>gone</b>\n")
    app = choose(check(open_view("data")), "data part", "Export")
    left_out, labels, failed = (frame.value for frame in app.dataframe)
    assert left_out["Count"].tolist() == [4, 2]
    assert left_out["First rows"].tolist() == ["2, 5", "3, 9"]
    assert labels.to_dict("records") == [{"Label": HOSTILE, "Objects": 3}]
    assert failed.to_dict("records") == [{"Image": "b.jpg", "Why": "404 <b>gone</b>"}]
    assert "<img" not in told(app)


def test_agreement_of_annotators(folder: Path, open_view: View) -> None:
    votes = [
        ObjectVotes({HOSTILE: 1, "bob": 1}, 1, False, [0.9]),
        ObjectVotes({"bob": 2}, 2, False, []),
    ]
    counts = AgreementCounts()
    counts.add_image("images/<b>.jpg", [2, 3], [HOSTILE, "bob"], votes)
    counts.add_image("same.jpg", [4, 5], [HOSTILE, "bob"], votes[:1])
    agreement = agreement_to_report(counts, ["RED", "NA"])
    save_json(folder / "data/coco/report.json", REPORT | {"agreement": agreement})
    app = choose(check(open_view("data")), "data part", "Export")
    _, _, classes, annotators, worst = (frame.value for frame in app.dataframe)
    assert classes.to_dict("list") == {
        "Class": ["NA", "RED"],
        "Agreement": [0, 1],
        "Mean IoU": [pytest.approx(math.nan, nan_ok=True), 0.9],
    }
    assert annotators["Annotator"].tolist() == [HOSTILE, "bob"]
    assert annotators["Missed"].tolist() == [1, 0]
    assert worst.to_dict("list") == {
        "Image": ["images/<b>.jpg"], "Agreement": [0.6667], "Objects": [2], "Rows": ["2, 3"],
    }  # fmt: skip
    assert "2 images of several annotators" in told(app)
    assert "<img" not in told(app)


def test_nothing_left_out(folder: Path, open_view: View) -> None:
    clean = json.loads(json.dumps(REPORT)) | {
        "dropped": {"empty_box": {"count": 0, "rows": []}}, "unknown_labels": {}, "warnings": []
    }  # fmt: skip
    save_json(folder / "data/coco/report.json", clean)
    app = choose(check(open_view("data")), "data part", "Export")
    assert "Nothing was left out" in told(app)
    assert [code.value for code in app.code] == ["make repro"], "index.csv is missing"


def test_names_may_hold_anything(folder: Path, open_view: View) -> None:
    factory = save_split(folder, "test", [RED], names=(HOSTILE, "$x$", "null"))
    factory.images[0]["source"] = f"images/{HOSTILE}"
    factory.save(folder / "data/coco/test.json")
    save_evaluation(folder, (1, 2, RED[1], 0.9))
    app = check(open_view("data"))
    assert "<img" not in told(app)
    choose(app, "data beside test", "Report's predictions")
    choose(app, "data part", "Likely label errors")
    assert app.dataframe[0].value["Label"].tolist() == [HOSTILE]
    assert "<img" not in told(app)
