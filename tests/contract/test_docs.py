"""README and docs: every link leads somewhere, every page is on the site, every install command works from a clone."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REPOSITORY = "https://github.com/torchless/torchless/blob/main/"
PAGES = sorted(DOCS.rglob("*.md"))
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
OTHERS = [*TOP, *sorted((ROOT / "examples").rglob("*.md")), ROOT / "models" / "README.md"]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead, code aside, without anchors."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [target for target in (each.partition("#")[0] for each in re.findall(r"\]\(([^)\s]+)\)", text)) if target]


def pages_in(nav: Any) -> Iterator[str]:
    for entry in nav:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else pages_in(value)


def test_every_page_is_on_the_site_s_navigation() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert set(pages_in(nav)) == {path.relative_to(DOCS).as_posix() for path in PAGES}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=relative)
def test_links_lead_to_files(page: Path) -> None:
    for target in links(page):
        if target.startswith(REPOSITORY):
            assert (ROOT / target.removeprefix(REPOSITORY)).exists(), target
        elif not re.match(r"https?://", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_a_page_of_the_site_links_to_other_files_of_the_repository_by_their_address(page: Path) -> None:
    # The site holds docs/ alone; an address works there and on a repository's page alike.
    for target in links(page):
        inside = re.match(r"https?://", target) or (page.parent / target).resolve().is_relative_to(DOCS)
        assert inside, f"{target}: write {REPOSITORY}…"


def install_commands(page: Path) -> list[str]:
    """What stands behind each `pip install`, as far as the command goes."""
    return re.findall(r"pip install ([^`\n&|#]+)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=relative)
def test_install_commands_work_from_a_clone(page: Path) -> None:
    # torchless is on no package index yet: `pip install 'torchless[export]'` finds nothing.
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = known["project"]["optional-dependencies"], known["dependency-groups"]
    for command in install_commands(page):
        words = shlex.split(command)
        for option, word in zip(["", *words], words, strict=False):
            name, _, wanted = word.partition("[")
            assert name != "torchless", f"pip install {command}: write '.[{wanted}'"
            if name == ".":
                assert set(wanted.rstrip("]").split(",")) - {""} <= set(extras), command
            if option == "--group":
                assert word in groups, command


def test_there_are_install_commands_to_check() -> None:
    assert len([command for page in [*PAGES, *OTHERS] for command in install_commands(page)]) > 8
