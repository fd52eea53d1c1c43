from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.common.params import load_params, load_section
from rhymes.images.images import UprightImage
from rhymes.registry.commands import run_dvc
from stages.fetch import FetchParams, RawParams, main
from tests.support.file_contents import bytes_to_sha256
from tests.support.foreign_folder import write_files
from tests.support.hostile_server import TOKEN, HostileServer, encode_random_image
from tests.support.orientations import upright_to_stored
from tests.support.proxy_server import ProxyServer
from tests.support.quadrants import (
    IMAGE,
    QUADRANTS,
    assert_close,
    encode,
    quadrants,
    with_orientation,
)


@pytest.fixture
def cdn() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


class Project:
    """A repository with nothing but parameters, and an export beside it."""

    def __init__(self, root: Path, params: dict[str, Any]) -> None:
        self.root, self.export = root / "project", root / "export"
        (self.root / ".dvc").mkdir(parents=True)
        self.export.mkdir()
        self.params = params
        self.params["raw"]["export"] = "../export"

    def write(self, *images: str, **fetch: Any) -> None:
        """Write the export with these images, and params.yaml with these keys of `fetch`."""
        with (self.export / "annotations.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["cdn_file_url", "output_content"])
            writer.writerows([image, '{"identifications": []}'] for image in images)
        (self.export / "categories.csv").write_bytes(b"category_image\r\nDISH\r\n")
        self.params["fetch"] |= fetch
        with (self.root / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump({key: self.params[key] for key in ("raw", "fetch")}, file)

    def index(self) -> dict[str, dict[str, str]]:
        path = self.root / "data/export/index.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return {row["image"]: row for row in csv.DictReader(file)}

    def images(self) -> list[str]:
        return sorted(path.name for path in (self.root / "data/images").iterdir())

    def kept(self) -> list[Path]:
        folder = self.root / ".dvc/tmp/rhymes/downloads"
        return [path for path in folder.glob("*") if not path.name.startswith(".")]

    def start(self, repository: Path) -> subprocess.Popen[str]:
        """Start the stage in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "stages.fetch"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def project(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path, load_params(root / "params.yaml"))
    monkeypatch.chdir(project.root)
    return project


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_params_of_the_repository_are_valid(root: Path) -> None:
    load_section("raw", RawParams, root / "params.yaml")
    load_section("fetch", FetchParams, root / "params.yaml")


HOSTILE = {
    "/missing.jpg": "status 404",
    "/status/500": "status 500 Internal Server Error (2 tries)",
    "/hang/1": "no answer within",
    "/to-private/1": "is not a public address",
    "/to-file/1": "scheme 'file' is refused",
    "/page/1": "it looks like an HTML page",
    "/empty/1": "0 bytes",
    "/endless/1": "larger than",
    "/drip/1": "not finished after",
    "/gzip-bomb/1": "larger than",
    "/bomb/1": "50000 x 50000 pixels",
    "/short/1": "broken answer",
    "/cut/1": "broken JPEG",
}


def test_hostile_cdn(
    project: Project, cdn: HostileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {
        cdn.url("/good/1.jpg"): encode_random_image(1),
        cdn.url("/flaky/2.jpg"): encode_random_image(2),
        cdn.url("/gzip/3.jpg"): encode_random_image(3),
        "images/local.jpg": encode_random_image(4),
    }
    bad = {
        **{cdn.url(path): reason for path, reason in HOSTILE.items()},
        "http://169.254.169.254/latest/meta-data/": "is not a public address",
        "file:///etc/passwd": "scheme 'file' is refused",
        "../project/params.yaml": "'..' in a path is refused",
        "": "the cell is empty",
    }
    (project.export / "images").mkdir()
    (project.export / "images/local.jpg").write_bytes(encode_random_image(4))
    project.write(
        *bad, *good, *good, cdn.url("/png/5.jpg"),
        allowed_hosts=[cdn.host], timeout=0.5, attempts=2, max_bytes=1_000_000,
        max_failed_fraction=0.8, max_unavailable_fraction=0.8,
    )  # fmt: skip
    begun = time.monotonic()
    main()
    assert time.monotonic() - begun < 25
    index = project.index()
    assert list(index) == [*bad, *good, cdn.url("/png/5.jpg")]
    for image, reason in bad.items():
        assert reason in index[image]["error"], image
        assert not index[image]["sha256"] + index[image]["width"] + index[image]["height"]
    for image, data in good.items():
        digest, pixels = bytes_to_sha256(data), index[image]["pixels_sha256"]
        assert index[image] == {
            "image": image, "sha256": digest, "width": "32", "height": "24",
            "original_sha256": digest, "pixels_sha256": pixels, "format": "JPEG",
            "orientation": "1", "error": "",
        }  # fmt: skip
    png = index[cdn.url("/png/5.jpg")]
    assert png["original_sha256"] == bytes_to_sha256(encode_random_image(5, "PNG"))
    assert (png["format"], png["orientation"]) == ("PNG", "1")
    converted = index[cdn.url("/png/5.jpg")]["sha256"]
    assert converted != bytes_to_sha256(encode_random_image(5, "PNG"))
    assert project.images() == sorted(
        f"{digest}.jpg" for digest in [converted, *map(bytes_to_sha256, good.values())]
    )
    said = capsys.readouterr()
    assert said.out.endswith("  not kept as they came, but as a JPEG: 1 image (1 PNG)\n")
    report = said.err
    assert "17 of 22 images failed, 4 of them for a reason that may pass; they are" in report
    assert "`dvc repro --single-item --force fetch` asks for them again" in report
    assert f"  row 2: '{cdn.url('/missing.jpg')}': status 404 Not Found\n" in report
    failed = (project.root / ".dvc/tmp/rhymes/fetch/failed.csv").read_text()
    assert len(failed.splitlines()) == 18


def test_too_many_failures_fail_the_stage_with_a_list(project: Project) -> None:
    (project.export / "a.jpg").write_bytes(encode_random_image(1))
    project.write("a.jpg", "b.jpg", "c.jpg", "b.jpg", max_failed_fraction=0.5)
    with pytest.raises(InputError) as error:
        main()
    assert "2 of 3 images failed" in str(error.value)
    assert "row 3, 5: 'b.jpg': no such file in the export's folder" in str(error.value)
    assert "failed.csv" in str(error.value)
    assert not (project.root / "data/export").exists()
    assert not list((project.root / "data").iterdir())


def test_header_of_the_environment_is_sent_and_written_nowhere(
    project: Project,
    cdn: HostileServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = [cdn.url(f"/{path}") for path in ("guarded/1.jpg", "missing", "hang/1", "page/1")]
    settings = {
        "allowed_hosts": [cdn.host],
        "headers": {cdn.host: {"Authorization": "RHYMES_FETCH_TOKEN"}},
        "timeout": 0.2,
        "attempts": 1,
        "max_failed_fraction": 1.0,
        "max_unavailable_fraction": 1.0,
    }
    project.write(*urls, **settings)
    with pytest.raises(InputError, match="environment variable RHYMES_FETCH_TOKEN is not set"):
        main()
    assert not cdn.asked
    monkeypatch.setenv("RHYMES_FETCH_TOKEN", TOKEN)
    main()
    assert project.index()[urls[0]]["sha256"]
    assert TOKEN not in "".join(capsys.readouterr())
    secret = TOKEN.split()[1].encode()
    for path in project.root.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path


def test_a_token_that_is_refused_may_be_another_one_later(
    project: Project, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        cdn.url("/guarded/1.jpg"), allowed_hosts=[cdn.host], max_failed_fraction=1.0,
        headers={cdn.host: {"Authorization": "RHYMES_FETCH_TOKEN"}},
    )  # fmt: skip
    monkeypatch.setenv("RHYMES_FETCH_TOKEN", "Bearer old")
    with pytest.raises(InputError, match="status 401: the server refuses what"):
        main()
    monkeypatch.setenv("RHYMES_FETCH_TOKEN", TOKEN)
    main()
    assert not project.index()[cdn.url("/guarded/1.jpg")]["error"]


def test_proxy_of_the_params_is_asked(project: Project, cdn: HostileServer) -> None:
    with ProxyServer({"cdn.invalid": ("127.0.0.1", cdn.port)}) as proxy:
        project.write("http://cdn.invalid/good/1.jpg", proxy=proxy.url())
        main()
    assert proxy.asked == ["GET http://cdn.invalid/good/1.jpg"]
    assert project.images() == [f"{bytes_to_sha256(encode_random_image(1))}.jpg"]


@pytest.mark.parametrize("encoding", ["HEIF", "AVIF", "TIFF"])
def test_formats_of_phones_and_scanners(project: Project, encoding: str) -> None:
    exif = {"tiffinfo": {274: 6}} if encoding == "TIFF" else {"exif": with_orientation(6)}
    (project.export / "a.jpg").write_bytes(encode(upright_to_stored(IMAGE, 6), encoding, **exif))
    project.write("a.jpg")
    main()
    row = project.index()["a.jpg"]
    assert (row["format"], row["orientation"]) == (encoding, "6")
    assert (row["width"], row["height"]) == (str(IMAGE.width), str(IMAGE.height))
    data = (project.root / f"data/images/{row['sha256']}.jpg").read_bytes()
    assert_close(quadrants(UprightImage(data, "JPEG", *IMAGE.size)), QUADRANTS)


def test_pages_that_are_left_out_are_listed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = encode(IMAGE, "TIFF", save_all=True, append_images=[IMAGE] * 2)
    for name, data in (("a.tif", pages), ("b.tif", encode(IMAGE, "TIFF"))):
        (project.export / name).write_bytes(data)
    project.write("b.tif", "a.tif", "b.tif", "a.tif")
    main()
    said = capsys.readouterr().err
    assert "of 1 file with several images the first alone counts; 2 are left out:" in said
    assert "row 3, 5: 'a.tif': 3" in said
    assert "b.tif" not in said


def test_what_may_pass_is_asked_for_at_the_next_run(
    project: Project, cdn: HostileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [cdn.url(f"/good/{number}.jpg") for number in range(99)]
    project.write(
        *good, cdn.url("/once/503"), allowed_hosts=[cdn.host], attempts=1, max_failed_fraction=1.0
    )
    with pytest.raises(InputError) as error:
        main()
    assert "1 of 100 images failed, 1 of them for a reason that may pass" in str(error.value)
    assert "What was downloaded is kept: run it again, and only the rest" in str(error.value)
    assert not list((project.root / "data").iterdir()), "no data version, so DVC runs it again"
    asked = cdn.asked.total()
    main()
    assert len(project.images()) == 99, "two of the URLs have the same image"
    assert all(not row["error"] for row in project.index().values())
    assert cdn.asked.total() == asked + 1
    assert not capsys.readouterr().err


ANNOTATIONS = b"cdn_file_url,output_content\n%s,{}\n"
LATE = {
    "annotations.csv": {
        "a space in the header": b"cdn_file_url, output_content\n%s,{}\n",
        "no annotations": b"cdn_file_url\n%s\n",
        "no images": b"url,output_content\n%s,{}\n",
        "images in other case": b"CDN_file_URL,output_content\n%s,{}\n",
        "both images": b"cdn_file_url,image_url,output_content\n%s,a,{}\n",
        "semicolons": b"cdn_file_url;output_content\n%s;{}\n",
        "no rows": b"cdn_file_url,output_content\n\n",
        "a last row that is no UTF-8": ANNOTATIONS + b"a.jpg,CR\xc8ME\n",
        "a last row with a quote too many": ANNOTATIONS + b'a.jpg,"{}\n',
        "a last row with a cell too many": ANNOTATIONS + b"a.jpg,{},{}\n",
        "nothing": b"",
    },
    "categories.csv": {
        "another column": b"name\nDISH\n",
        "no header": b"DISH\n",
        "upper case": b"CATEGORY_IMAGE\nDISH\n",
        "Windows-1252": b"category_image\nCR\xc8ME\n",
        "UTF-16": "category_image\nDISH\n".encode("utf-16"),
        "no rows": b"category_image\n",
        "a line break": b'category_image\n"A\nB"\n',
        "nothing": b"",
    },
}


@pytest.mark.parametrize(
    ("file", "fault"), [(file, fault) for file, faults in LATE.items() for fault in faults]
)
def test_a_fault_of_a_csv_is_found_before_anything_is_downloaded(
    project: Project, cdn: HostileServer, file: str, fault: str
) -> None:
    url = cdn.url("/good/1.jpg")
    project.write(url, allowed_hosts=[cdn.host])
    text = LATE[file][fault]
    (project.export / file).write_bytes(text % url.encode() if b"%s" in text else text)
    with pytest.raises(InputError, match=rf"{file}: (row|no )"):
        main()
    assert not cdn.asked


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
@pytest.mark.parametrize("is_external", [False, True])
def test_export_that_dvc_added(
    project: Project, tmp_path: Path, kind: str, is_external: bool
) -> None:
    (project.root / ".dvc").rmdir()
    (project.root / "data/raw/images").mkdir(parents=True)
    project.export = project.root / "data/raw"
    project.params["raw"]["export"] = "data/raw"
    (project.export / "images/cr\u00e8me.jpg").write_bytes(encode_random_image(1))
    project.write("images/cr\u00e8me.jpg")
    commands = [["init", "--no-scm", "-q"], ["config", "cache.type", kind]]
    if is_external:
        commands.append(["cache", "dir", str(tmp_path / "cache")])
    for command in [*commands, ["add", "-q", "data/raw"]]:
        run_dvc(project.root, *command)
    added = project.export / "images/cr\u00e8me.jpg"
    assert added.is_symlink() == (kind == "symlink")
    main()
    assert [row["error"] for row in project.index().values()] == [""]


def test_csvs_are_copied_byte_for_byte_under_fixed_names(project: Project) -> None:
    (project.export / "a.jpg").write_bytes(encode_random_image(1))
    project.write("a.jpg")
    annotations = b"\xef\xbb\xbfimage_url,output_content\r\n\"a.jpg\",'{}'\r\n\r\n"
    (project.export / "my labels.csv").write_bytes(annotations)
    project.params["raw"]["annotations"] = "my labels.csv"
    (project.export / "annotations.csv").write_bytes(b"another")
    with (project.root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(project.params, file)
    main()
    folder = project.root / "data/export"
    assert (folder / "annotations.csv").read_bytes() == annotations
    assert (folder / "categories.csv").read_bytes() == b"category_image\r\nDISH\r\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        "annotations.csv", "categories.csv", "fingerprints.npy", "index.csv",
    ]  # fmt: skip


def test_second_run_leaves_the_same_bytes_and_nothing_of_the_first(project: Project) -> None:
    for number in range(4):
        (project.export / f"{number}.jpg").write_bytes(encode_random_image(number))
    project.write("3.jpg", "0.jpg", "1.jpg")
    main()
    first = (project.root / "data/export/index.csv").read_bytes()
    project.write("2.jpg")
    main()
    assert project.images() == [f"{bytes_to_sha256(encode_random_image(2))}.jpg"]
    project.write("3.jpg", "0.jpg", "1.jpg")
    main()
    assert (project.root / "data/export/index.csv").read_bytes() == first


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param({"export": "nowhere"}, "raw.export names the export's folder", id="folder"),
        pytest.param(
            {"annotations": "labels.csv"},
            r"labels.csv: no such file; raw.annotations names the annotations CSV in raw.export "
            r"\(CSV files there: annotations.csv, categories.csv\)",
            id="annotations",
        ),
        pytest.param({"categories": "x.csv"}, "raw.categories names", id="categories"),
        pytest.param({"annotations": "../a.csv"}, "raw.annotations: got", id="not a file name"),
        pytest.param({"categories": ".."}, "raw.categories: got", id="dots"),
        pytest.param({"export": ""}, "raw.export: got ''", id="empty"),
    ],
)
def test_missing_export_is_an_error(project: Project, raw: dict[str, str], reason: str) -> None:
    project.params["raw"] |= raw
    project.write("a.jpg")
    with pytest.raises(InputError, match=reason):
        main()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("workers", 0), ("workers", 2.5), ("workers", True), ("timeout", 0), ("timeout", "20"),
        ("attempts", 0), ("max_bytes", 0), ("max_pixels", 10**9), ("jpeg_quality", 101),
        ("max_failed_fraction", 1.5), ("max_unavailable_fraction", -0.1), ("allowed_hosts", "cdn"),
        ("allowed_hosts", ["http://cdn"]), ("allowed_hosts", ["cdn/a"]), ("allowed_hosts", [1]),
        ("allowed_hosts", [""]), ("wrokers", 8), ("proxy", 3128), ("headers", []),
        ("headers", {"https://a": {"X": "TOKEN"}}), ("headers", {"a": "TOKEN"}),
        ("headers", {"a": {"X": 1}}),
    ],
)  # fmt: skip
def test_parameter_out_of_range_is_an_error(project: Project, key: str, value: Any) -> None:
    project.write("a.jpg", **{key: value})
    with pytest.raises(InputError, match=f"fetch.{key}"):
        main()


@pytest.mark.parametrize("value", [["cdn", "cdn.local:80", "10.0.0.1", "[::1]", "[::1]:80"], []])
def test_allowed_hosts_are_accepted(project: Project, value: list[str]) -> None:
    (project.export / "a.jpg").write_bytes(encode_random_image(1))
    project.write("a.jpg", allowed_hosts=value, timeout=20)
    main()


def test_killed_run_goes_on_where_it_was(project: Project, cdn: HostileServer, root: Path) -> None:
    urls = {cdn.url(f"/slow/{number}.jpg"): f"/slow/{number}.jpg" for number in range(40)}
    project.write(*urls, allowed_hosts=[cdn.host], workers=4)
    run = project.start(root)
    wait_until(lambda: len(project.kept()) >= 10)
    run.kill()
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    done = {path.name for path in project.kept()}
    finished = [path for url, path in urls.items() if bytes_to_sha256(url.encode()) in done]
    assert 10 <= len(finished) < 40
    time.sleep(1)  # for requests that were under way
    cdn.asked.clear()
    again = project.start(root)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert not [path for path in finished if cdn.asked[path]]
    assert sum(cdn.asked.values()) == 40 - len(finished)
    assert [row["error"] for row in project.index().values()] == [""] * 40
    assert len(project.images()) == 40


def test_interrupt_ends_a_run_that_waits(project: Project, cdn: HostileServer, root: Path) -> None:
    project.write(cdn.url("/hang/1"), cdn.url("/hang/2"), allowed_hosts=[cdn.host], timeout=60)
    run = project.start(root)
    wait_until(lambda: cdn.asked["/hang/1"])
    begun = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert run.returncode not in (0, None)


def test_experiment_in_a_temporary_folder_uses_what_is_kept(
    project: Project, cdn: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.params["raw"]["export"] = str(project.export)
    project.write(cdn.url("/good/1.jpg"), allowed_hosts=[cdn.host])
    main()
    experiment = project.root / ".dvc/tmp/exps/tmpabc"
    (experiment / ".dvc").mkdir(parents=True)
    cache = project.root / ".dvc/cache"
    (experiment / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n")
    (experiment / "params.yaml").write_bytes((project.root / "params.yaml").read_bytes())
    monkeypatch.chdir(experiment)
    main()
    assert cdn.asked["/good/1.jpg"] == 1
    assert len(list((experiment / "data/images").iterdir())) == 1


def test_real_export(project: Project, shared: Path) -> None:
    export = shared / "datasets/breadboard5"
    project.params["raw"]["export"] = str(export)
    project.write("unused.jpg")
    main()
    index = project.index()
    assert len(index) == len(project.images()) == 110
    for image, row in index.items():
        assert row["sha256"] == bytes_to_sha256((export / image).read_bytes())
        assert (row["width"], row["height"], row["error"]) == ("512", "512", "")


def test_export_of_another_tool(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    images = [{"id": 5, "file_name": "a.jpg"}]
    annotations = [{"id": 1, "image_id": 5, "category_id": 9, "bbox": [1, 2, 3, 4]}]
    value = {"images": images, "annotations": annotations, "categories": [{"id": 9, "name": "CAT"}]}
    write_files(project.export, {"train/a.jpg": None, "train/_annotations.coco.json": value})
    with (project.root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({key: project.params[key] for key in ("raw", "fetch")}, file)
    main()
    assert [(name, row["error"]) for name, row in project.index().items()] == [("train/a.jpg", "")]
    folder = project.root / "data/export"
    assert (folder / "categories.csv").read_text(encoding="utf-8") == "category_image\nCAT\n"
    assert (folder / "splits.csv").read_text(encoding="utf-8") == "image,split\ntrain/a.jpg,train\n"
    output = capsys.readouterr().out
    assert "../export is taken for COCO, for train/_annotations.coco.json holds" in output
    assert "(1 train); to keep it: cp data/export/splits.csv data/splits.csv" in output


def test_folder_of_no_format_is_an_error(project: Project) -> None:
    with (project.root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({key: project.params[key] for key in ("raw", "fetch")}, file)
    with pytest.raises(InputError, match="of no known format"):
        main()
