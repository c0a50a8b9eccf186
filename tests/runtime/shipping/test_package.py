from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from torchless import Bundle, Classifier
from torchless.cli import main
from torchless.errors import InputError, IntegrityError, OutputError, TorchlessError
from torchless.shipping.package import package


@pytest.fixture(scope="module")
def wheel(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(mini, tmp_path_factory.mktemp("dist"), name="SST2.mini", version="1.1rc2+cpu")


def test_an_installed_package_loads_by_its_name_from_anywhere(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["package", str(tiny), "--output", str(tmp_path / "dist"), "--name", "my-tiny"]) == 0
    out, err = capsys.readouterr()
    wheel = Path(out.rstrip("\n"))
    assert wheel == tmp_path / "dist" / "my_tiny-1.0.0-py3-none-any.whl"
    assert f"pip install {wheel}" in err
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(wheel)], check=True, timeout=60)
    code = (
        "import json, sys; from torchless import Classifier, verify; verify('my-tiny')\n"
        "print(json.dumps(Classifier.load('my-tiny').logits(['good', 'bad']).tolist()))\n"
        "assert not {'torchless_bundle_my_tiny', 'huggingface_hub'} & set(sys.modules)"
    )
    search = f"import sys; sys.path[:0] = {[str(tmp_path / 'site'), *filter(None, sys.path)]!r}\n"
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", search + code], cwd=tmp_path / "elsewhere", capture_output=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == Classifier.load(tiny).logits(["good", "bad"]).tolist()


def test_files_in_a_folder_are_packaged_in_one(in_folders: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package(in_folders, tmp_path / "dist", name="inner")) as archive:
        archive.extractall(tmp_path / "site")
    installed = tmp_path / "site" / "torchless_bundle_inner"
    assert (installed / "onnx" / "weights.int8").is_file()
    assert (Classifier.load(installed).logits(["good"]) == Classifier.load(in_folders).logits(["good"])).all()


def test_record_lists_every_file_with_its_digest_and_size(mini: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        rows = list(csv.reader(archive.read("sst2_mini-1.1rc2+cpu.dist-info/RECORD").decode().splitlines()))
        assert rows[-1] == ["sst2_mini-1.1rc2+cpu.dist-info/RECORD", "", ""]
        assert [name for name, _, _ in rows] == archive.namelist()
        for name, digest, size in rows[:-1]:
            data = archive.read(name)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={hashed}", str(len(data)))
        assert archive.read("torchless_bundle_sst2_mini/__init__.py") == b""
        for name in [*Bundle.open(mini).manifest.files, "manifest.json"]:
            assert archive.read(f"torchless_bundle_sst2_mini/{name}") == (mini / name).read_bytes()


def test_the_metadata_says_what_it_is(mini: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = "sst2_mini-1.1rc2+cpu.dist-info"
        head, _, body = archive.read(f"{folder}/METADATA").decode().partition("\n\n")
        assert archive.read(f"{folder}/entry_points.txt") == (
            b"[torchless.bundles]\nSST2.mini = torchless_bundle_sst2_mini\n"
        )
        assert b"Tag: py3-none-any\n" in archive.read(f"{folder}/WHEEL")
    assert head.splitlines() == [
        "Metadata-Version: 2.1",
        "Name: SST2.mini",
        "Version: 1.1rc2+cpu",
        "Summary: A Torchless bundle of sst2-mini",
        "License: apache-2.0",
        "Requires-Dist: torchless",
        "Description-Content-Type: text/markdown; charset=UTF-8",
    ]
    assert body == (mini / "README.md").read_text(encoding="utf-8")


def test_what_the_manifest_does_not_name_stays_outside(tiny_copy: Path, tmp_path: Path) -> None:
    (tiny_copy / "secret.txt").write_text("mine alone")
    with zipfile.ZipFile(package(tiny_copy, tmp_path)) as archive:
        assert not [name for name in archive.namelist() if "secret" in name]


def test_the_same_bundle_gives_the_same_bytes_and_the_epoch_dates_them(
    tiny: Path, tiny_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first, second = package(tiny, tmp_path / "a"), package(tiny_copy, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    with zipfile.ZipFile(package(tiny, tmp_path / "a")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2001, 9, 9, 1, 46, 40)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH: expected seconds since 1970, got 'yesterday'"):
        package(tiny, tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


def test_a_file_beyond_the_limits_of_zip_takes_zip64(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100_000)  # as if weights.fp32 were of more than 2 GiB
    with zipfile.ZipFile(package(tiny, tmp_path)) as archive:
        assert archive.testzip() is None
        assert archive.read("torchless_bundle_tiny/weights.fp32") == (tiny / "weights.fp32").read_bytes()


@pytest.mark.parametrize(
    "name", ["", "-tiny", "tiny_", "ti ny", "tiny\n", "org/tiny", "größe", "torchless", "Torchless"]
)
def test_a_name_that_pip_would_not_take_is_wrong_usage(tiny: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name: expected ASCII letters"):
        package(tiny, tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("version", ["", "v1.0", "1.0-beta", "01.0", "1.0.0 ", "1.0RC1", "1..0", "latest", "1.0+A"])
def test_a_version_that_pip_would_write_otherwise_is_wrong_usage(tiny: Path, tmp_path: Path, version: str) -> None:
    with pytest.raises(InputError, match="version: expected a normalised PEP 440 version"):
        package(tiny, tmp_path / "out", version=version)


@pytest.mark.parametrize("version", ["0", "2026.11", "1!2.0", "1.0a1", "1.0rc1.post2.dev3", "1.0+cpu.1"])
def test_every_kind_of_version_is_taken(tiny: Path, tmp_path: Path, version: str) -> None:
    assert package(tiny, tmp_path, version=version).name == f"tiny-{version}-py3-none-any.whl"


def test_a_folder_whose_name_is_no_package_s_asks_for_one(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "my model")
    with pytest.raises(InputError, match=r"got 'my model'\. Pass another name"):
        package(folder, tmp_path)


def test_a_damaged_bundle_is_not_packaged(tiny_copy: Path, tmp_path: Path) -> None:
    with (tiny_copy / "README.md").open("a") as card:
        card.write("!")
    with pytest.raises(IntegrityError, match=r"README\.md was altered"):
        package(tiny_copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_changes_after_it_was_verified_leaves_no_wheel(
    tiny_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchless.shipping.package.verify_bundle", lambda _: None)
    (tiny_copy / "weights.int8").write_bytes(b"?")
    with pytest.raises(IntegrityError, match=r"weights\.int8 was altered"):
        package(tiny_copy, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("output", [None, 5, b"x", ["x"], "a\0b", "\ud800"])
def test_an_output_that_is_no_path_is_wrong_usage(tiny: Path, output: Any) -> None:
    with pytest.raises(InputError, match=r"output: expected the path of a folder as a str or a pathlib.Path, got"):
        package(tiny, output)


def test_a_working_directory_that_is_gone_is_an_error_of_ours(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for output in (".", "out"):
        with pytest.raises(OutputError, match=r"cannot write .*: No such file or directory"):
            package(tiny, output)
    with pytest.raises(TorchlessError):
        package("tiny", tmp_path)


def test_a_folder_that_cannot_be_written_says_so(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file: File exists"):
        package(tiny, tmp_path / "file")
