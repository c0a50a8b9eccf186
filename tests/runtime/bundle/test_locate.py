from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless import Bundle, Classifier, Encoder, verify
from torchless.bundle.locate import ENTRY_POINTS, is_hub_id, name_of
from torchless.errors import BundleError, BundleNotFoundError, InputError

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution that says: this name is the bundle in that module's folder."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(name: str, module: str) -> Path:
        info = site / f"{name.replace('-', '_')}_of_{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-of-{module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{name} = {module}\n")
        return site / module.replace(".", "/")

    return install


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports huggingface_hub fails."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


def test_a_folder_never_imports_huggingface_hub() -> None:
    code = (
        "import sys; from torchless import Classifier, verify\n"
        "verify('tests/data/tiny'); Classifier.load('models/sst2-mini').predict(['good'])\n"
        "assert not {'huggingface_hub', 'httpx', 'requests'} & set(sys.modules)"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    "name", [Path("org/name"), "./name", "../name", "~/name", "/org/name", "org/name/more", "org/"]
)
def test_what_is_written_like_a_path_is_never_a_hub_id(name: str | Path) -> None:
    with pytest.raises(BundleNotFoundError, match="there is no such folder"):
        Bundle.open(name)


@pytest.mark.usefixtures("no_hub")
def test_a_folder_comes_before_the_hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "name@v2").symlink_to(tiny)
    monkeypatch.chdir(tmp_path)
    assert Bundle.open("org/name@v2").path == Path("org/name@v2")


def test_a_package_is_found_by_its_name_and_not_run(
    tiny: Path, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = install("my-tiny", "bundle_that_must_not_run.below")
    module.parent.mkdir()
    (module.parent / "__init__.py").write_text("raise AssertionError('it ran')")
    module.symlink_to(tiny)
    monkeypatch.chdir(tmp_path)
    for name in ("my-tiny", "My_Tiny", "my.tiny"):  # names that pip takes for the same
        assert Classifier.load(name).predict(["good"])
    (tmp_path / "my-tiny").mkdir()
    with pytest.raises(BundleNotFoundError, match=r"my-tiny: the folder has no manifest\.json"):
        Classifier.load("my-tiny")


@pytest.mark.usefixtures("no_hub")
def test_a_name_that_is_nothing_says_what_was_tried(install: Install) -> None:
    install("my-tiny", "some_module")
    with pytest.raises(
        BundleNotFoundError, match=r"no bundle at your-tiny: there is no such folder.* are .*my-tiny.*Hub"
    ):
        Encoder.load("your-tiny")
    with pytest.raises(BundleNotFoundError, match=r"it is not a Hub id \(org/name\)"):
        Encoder.load("")


def test_a_package_whose_files_are_gone_says_so(install: Install) -> None:
    install("my-tiny", "module_that_is_gone")
    with pytest.raises(BundleError, match=r"my-tiny: .*the module module_that_is_gone is gone\. Install it again"):
        Bundle.open("my-tiny")


def test_a_name_of_two_packages_is_refused(install: Install) -> None:
    install("my-tiny", "one_module")
    install("my-tiny", "other_module")
    with pytest.raises(BundleError, match=r"two installed packages use that name \(one_module, other_module\)"):
        Bundle.open("my-tiny")


@pytest.mark.usefixtures("no_hub")
def test_only_a_hub_id_has_revisions(
    tiny: Path, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("my-tiny", "some_module").mkdir()
    (tmp_path / "folder").symlink_to(tiny)
    monkeypatch.chdir(tmp_path)
    for load in (Bundle.open, Classifier.load, Encoder.load, verify):
        with pytest.raises(InputError, match="is not one; got 'main'"):
            load(tiny, revision="main")
    for name in ("folder@main", "my-tiny@main"):
        with pytest.raises(InputError, match=f"{name[:-5]} is not one; got 'main'"):
            Bundle.open(name)
    with pytest.raises(InputError, match="expected one revision, got 'v1' in the name and revision='v2'"):
        Bundle.open("org/name@v1", revision="v2")
    with pytest.raises(InputError, match="expected one revision, got ''"):
        Bundle.open("org/name@")


@pytest.mark.parametrize("name", ["org/name", "o/n", "0rg/na.me_1-x", "_org/name"])
def test_a_hub_id_is_an_owner_and_a_name(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["name", "/name", "org/", "a/b/c", "or g/n", "org/n\n", "org/-n", "o--g/n", "o/n..m", "o/n.git"]
)
def test_what_the_hub_refuses_is_no_hub_id(name: str) -> None:
    assert not is_hub_id(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/tiny", "tiny"),
        ("org/tiny@refs/pr/1", "tiny"),
        ("my-tiny", "my-tiny"),
        (Path("a/b@c"), "b@c"),
        ("./x/", "x"),
    ],
)
def test_a_model_is_called_by_the_last_part_of_its_name(name: str | Path, expected: str) -> None:
    assert name_of(name) == expected
