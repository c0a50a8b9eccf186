"""A bundle onto the Hub, in one commit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from torchless.cli import main
from torchless.errors import MissingExtraError
from torchless.shipping.push import push

Program = Callable[..., subprocess.CompletedProcess[bytes]]
Answers = Callable[..., list[Any]]
pytestmark = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")


def test_what_is_pushed_loads_back_by_name(
    hub: Any,
    hub_environment: dict[str, str],
    answers: Answers,
    tiny_copy: Path,
    tiny_logits: list[Any],
    program: Program,
) -> None:
    (tiny_copy / "notes.txt").write_text("mine alone")
    done = program("push", str(tiny_copy), "someone/tiny", environment=hub_environment)
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["someone/tiny"]
    assert done.stdout.decode() == f"{hub.url}/someone/tiny/commit/{repository.branches['main']}\n"
    ours = {path.name: path.read_bytes() for path in tiny_copy.iterdir() if path.name != "notes.txt"}
    assert repository.commits[repository.branches["main"]] == {".gitattributes": b"", **ours}
    assert len(repository.commits) == 2  # the one that made it, and the bundle
    assert hub.uploads  # the larger files went as LFS
    assert answers(hub_environment, "answer(logits, 'someone/tiny')") == [tiny_logits]


@pytest.mark.parametrize(("kind", "command"), [("tagger", ["tag"]), ("ranker", ["rank", "a query"])])
def test_every_kind_is_pushed_and_runs_by_its_name(
    hub_environment: dict[str, str],
    program: Program,
    kind: str,
    command: list[str],
    request: pytest.FixtureRequest,
) -> None:
    folder = request.getfixturevalue(f"tiny_{kind}")
    done = program("push", str(folder), f"someone/{kind}", environment=hub_environment)
    assert done.returncode == 0, done.stderr
    verb, *asked = command
    here, there = (
        program(verb, name, *asked, "Sarah lives in London", environment=hub_environment)
        for name in (str(folder), f"someone/{kind}")
    )
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout != b""


def test_files_in_a_folder_are_pushed_into_one(
    hub: Any, hub_environment: dict[str, str], answers: Answers, in_folders: Path, tiny_logits: list[Any]
) -> None:
    (url,) = answers(hub_environment, f"answer(push, {str(in_folders)!r}, 'someone/tiny')")
    assert url.startswith(hub.url)
    repository = hub.repositories["someone/tiny"]
    assert "onnx/weights.int8" in repository.commits[repository.branches["main"]]
    assert answers(hub_environment, "answer(logits, 'someone/tiny')") == [tiny_logits]


def test_a_push_that_is_refused_says_why(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, tmp_path: Path
) -> None:
    hub.add("someone/tiny", tiny)
    damaged = shutil.copytree(tiny, tmp_path / "damaged")
    with (damaged / "README.md").open("a") as card:
        card.write("!")
    (altered,) = answers(hub_environment, f"answer(push, {str(damaged)!r}, 'someone/tiny')")
    assert altered[0] == "IntegrityError"
    assert "README.md was altered or damaged" in altered[1]
    assert hub.asked == []
    cases = [
        ("", "someone/tiny", "got no valid token. Log in with"),
        ("hf_expired", "someone/tiny", "got no valid token. Log in with"),
        ("hf_nobody", "someone/tiny", "does not allow this token to write there. Use a token that may write to some"),
        ("hf_nobody", "someone/new", "does not allow this token to write there. Use a token that may write to some"),
    ]
    script = f"for token, name, _ in {cases!r}: os.environ['HF_TOKEN'] = token; answer(push, {str(tiny)!r}, name)"
    for (kind, message), (_, name, complaint) in zip(answers(hub_environment, script), cases, strict=True):
        assert kind == "HubError"
        assert message.startswith(f"cannot push to {name}: the Hub ({hub.url}) {complaint}")


def test_a_private_push_makes_the_model_private_and_its_branch(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, tiny_logits: list[Any]
) -> None:
    hub.add("someone/public", tiny)
    arguments = "private=True, revision='v2')"
    _, loaded, public = answers(
        hub_environment,
        f"answer(push, {str(tiny)!r}, 'someone/tiny', {arguments}",
        "answer(logits, 'someone/tiny@v2')",
        f"answer(push, {str(tiny)!r}, 'someone/public', {arguments}",
    )
    repository = hub.repositories["someone/tiny"]
    assert repository.private
    assert list(repository.commits[repository.branches["main"]]) == [".gitattributes"]
    assert loaded == tiny_logits
    assert "cannot push to someone/public: it exists already and is public" in public[1]
    assert "v2" not in hub.repositories["someone/public"].branches


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "someone/ti ny", "someone/tiny.git", "someone/-tiny", "some--one/x"])
def test_an_id_that_the_hub_cannot_have_is_wrong_usage(
    tiny: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(tiny), name]) == 2
    assert f"expected a Hub id of the form org/name, got {name!r}" in capsys.readouterr().err


def test_a_push_without_huggingface_hub_names_the_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        MissingExtraError, match=r"torchless push needs huggingface_hub: pip install 'torchless\[hub\]'"
    ):
        push(tiny, "someone/tiny")
