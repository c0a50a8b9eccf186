"""The API key: what is one, where it may come from, and that no other opens the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.cli import main
from torchless.errors import InputError
from torchless.serve.keys import is_key
from torchless.serve.settings import Settings

from .conftest import Server


@pytest.mark.parametrize("key", ["", " ", "\n", "\t \n", "\u00a0", 0, False])
def test_an_empty_key_is_refused_at_start(key: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="api_key: expected a key, got an empty one"):
        Settings(api_key=key)
    if isinstance(key, str):
        (tmp_path / "key").write_text(key, encoding="utf-8")
        with pytest.raises(InputError, match=r"api_key_file: .*: expected a key, got an empty one"):
            Settings(api_key_file=str(tmp_path / "key"))


@pytest.mark.parametrize("key", ["", "  "])
@pytest.mark.parametrize("way", ["flag", "variable", "file", "file by variable"])
def test_the_command_refuses_an_empty_key_however_it_is_given(
    tiny: Path, tmp_path: Path, key: str, way: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    arguments = {"flag": ["--api-key", key], "file": ["--api-key-file", str(file)]}.get(way, [])
    if way == "variable":
        monkeypatch.setenv("TORCHLESS_API_KEY", key)
    if way == "file by variable":
        monkeypatch.setenv("TORCHLESS_API_KEY_FILE", str(file))
    assert main(["serve", str(tiny), *arguments]) == 2
    complaint = capsys.readouterr().err
    assert "expected a key, got an empty one" in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("key", ["se same", "se\nsame", "se\x00same", "se\x7fsame", "sesame\udcff", "se\u2028same"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InputError, match="printable characters without space") as refusal:
        Settings(api_key=key)
    assert "same" not in str(refusal.value)


def test_space_around_a_key_is_no_part_of_it(tmp_path: Path) -> None:
    assert Settings(api_key=" sesame\r\n").api_key == "sesame"
    (tmp_path / "key").write_text("sesame\n")
    settings = Settings(api_key_file=str(tmp_path / "key"))
    assert settings.api_key == "sesame"
    assert "sesame" not in repr(settings)
    assert dataclasses.replace(settings, port=1).api_key == "sesame"
    with pytest.raises(InputError, match="got both"):
        Settings(api_key="other", api_key_file=str(tmp_path / "key"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nope' \(No such file or directory\)"):
        Settings(api_key_file=str(tmp_path / "nope"))
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="holds no UTF-8 text"):
        Settings(api_key_file=str(tmp_path / "key"))


def test_a_file_of_a_longer_key_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 10_000)
    assert Settings(api_key_file=str(tmp_path / "key")).api_key == "k" * 10_000
    (tmp_path / "key").write_text("k" * 10_001)
    with pytest.raises(InputError, match="holds more than 10000 bytes"):
        Settings(api_key_file=str(tmp_path / "key"))


def test_a_key_is_compared_as_it_is_sent_in_either_encoding() -> None:
    for key, tokens in (
        ("sesame", {"sesame": True, "sesamé": False, "": False}),
        ("schlüssel", {"schlüssel": True, "schl?ssel": False, "schlussel": False}),
        ("ключ", {"ключ": True, "????": False}),
    ):
        for token, opens in tokens.items():
            assert is_key(token.encode(), key) == opens
            assert is_key(token.encode("latin-1", "replace"), key) == (opens and max(key) <= "\xff")


def test_only_the_key_opens_the_server(start: Callable[..., Server], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sésame\n", encoding="utf-8")
    server = start(tiny, TORCHLESS_API_KEY_FILE=str(tmp_path / "key"))
    for right in ("Bearer sésame", "Bearer sésame".encode().decode("latin-1")):  # http.client sends latin-1
        assert server.post("/predict", {"inputs": "good"}, {"authorization": right})
    for wrong in ("Bearer", "Bearer ", "Bearer \xff\xfe", "Bearer s?same", "bearer", "", "Bearer " + "a" * 10_000):
        assert server.request("POST", "/predict", {"inputs": "good"}, {"authorization": wrong})[0] == 401
        assert server.request("POST", "/admin/reload", {}, {"authorization": wrong})[0] == 401
