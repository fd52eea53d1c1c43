"""Finding a browser, and saying loudly that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import browser


def test_a_named_browser_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "browser"
    path.touch()
    monkeypatch.setenv("RHYMES_BROWSER", str(path))
    assert browser.find_browser() == path


def test_one_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "google-chrome"
    path.touch(mode=0o755)
    monkeypatch.delenv("RHYMES_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.find_browser() == path


def test_none_is_said_loudly_and_does_not_stop_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RHYMES_BROWSER", str(tmp_path / "missing"))
    browser.main()
    printed = capsys.readouterr().err
    assert "NO BROWSER: the tests of the page in a real browser will NOT run" in printed
    assert "missing is no file" in printed
    with pytest.raises(RuntimeError, match="no browser"), browser.open_browser():
        pass


def test_a_failed_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "apt-get"
    script.write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    script.chmod(0o755)
    monkeypatch.delenv("RHYMES_BROWSER", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    assert browser.install_browser() == "apt-get update -q: E: no network"
