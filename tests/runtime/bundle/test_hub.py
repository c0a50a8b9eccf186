"""Bundles on the Hub, in processes of their own, because huggingface_hub reads its settings when it is imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import torchless
from torchless import Classifier
from torchless.cli import main
from torchless.errors import MissingExtraError
from torchless.shipping.push import push

pytestmark = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")

TEXTS = ["good", "bad"]
INT8 = ["classifier.int8.onnx", "encoder.int8.onnx", "tokenizer.json", "weights.int8"]  # what the variant is made of
ANSWER = """
import json, os
from torchless import Bundle, Classifier, TorchlessError
from torchless.push import push

def answer(function, *arguments, **options):
    try:
        result = function(*arguments, **options)
    except TorchlessError as error:
        result = [type(error).__name__, str(error)]
    print(json.dumps(result), flush=True)

def logits(name, revision=None):
    return Classifier.load(name, revision=revision).logits(["good", "bad"]).tolist()
"""


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def answers(environment: dict[str, str], *lines: str) -> list[Any]:
    """What lines of Python print by `answer`, in one process: a result, or an error's class and message."""
    done = run(environment, "-c", "\n".join([ANSWER, *lines]))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def expected(tiny: Path) -> list[list[float]]:
    return Classifier.load(tiny).logits(TEXTS).tolist()


def test_what_is_pushed_loads_back_by_name(
    hub: Any, hub_environment: dict[str, str], tiny_copy: Path, expected: list[Any]
) -> None:
    (tiny_copy / "notes.txt").write_text("mine alone")
    done = run(hub_environment, "-m", "torchless", "push", str(tiny_copy), "someone/tiny")
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["someone/tiny"]
    assert done.stdout == f"{hub.url}/someone/tiny/commit/{repository.branches['main']}\n"
    ours = {path.name: path.read_bytes() for path in tiny_copy.iterdir() if path.name != "notes.txt"}
    assert repository.commits[repository.branches["main"]] == {".gitattributes": b"", **ours}
    assert len(repository.commits) == 2  # the one that made it, and the bundle
    assert hub.uploads  # the larger files went as LFS
    assert answers(hub_environment, "answer(logits, 'someone/tiny')") == [expected]


def test_only_the_files_of_the_variant_are_downloaded_and_once(
    hub: Any, hub_environment: dict[str, str], tiny: Path, expected: list[Any]
) -> None:
    hub.add("someone/tiny", tiny)
    load = "answer(logits, 'someone/tiny')"
    assert answers(hub_environment, load, load) == [expected] * 2
    assert hub.downloads() == sorted([*INT8, "manifest.json"])
    assert run(hub_environment, "-m", "torchless", "verify", "someone/tiny").returncode == 0
    assert hub.downloads() == sorted(path.name for path in tiny.iterdir())


def test_what_was_loaded_once_loads_without_a_network(
    hub: Any, hub_environment: dict[str, str], tiny: Path, expected: list[Any]
) -> None:
    commit = hub.add("someone/tiny", tiny)
    answers(hub_environment, "answer(logits, 'someone/tiny')")
    hub.close()
    lines = [
        "answer(logits, 'someone/tiny')",
        f"answer(logits, 'someone/tiny@{commit}')",
        "answer(logits, 'someone/small')",
        "answer(logits, 'someone/tiny', 'v2')",
        f"answer(push, {str(tiny)!r}, 'someone/tiny')",
    ]
    for offline, why in (("1", "HF_HUB_OFFLINE is set"), ("0", f"the Hub ({hub.url}) does not answer (")):
        found, pinned, missing, other, pushed = answers({**hub_environment, "HF_HUB_OFFLINE": offline}, *lines)
        assert found == pinned == expected
        for kind, message in (missing, other):
            assert kind == "BundleNotFoundError"
            assert why in message
        assert pushed[0] == "HubError"
        assert f"cannot push to someone/tiny: the Hub ({hub.url}) is out of reach" in pushed[1]


def test_a_revision_is_a_branch_or_a_commit_in_the_name_or_beside_it(
    hub: Any, hub_environment: dict[str, str], tiny: Path, mini: Path, expected: list[Any]
) -> None:
    first = hub.add("someone/model", tiny)
    hub.add("someone/model", mini)
    hub.repositories["someone/model"].branches["refs/pr/1"] = first
    main, *old = answers(
        hub_environment,
        "answer(logits, 'someone/model')",
        f"answer(logits, 'someone/model@{first}')",
        "answer(logits, 'someone/model@refs/pr/1')",
        f"answer(logits, 'someone/model', revision='{first}')",
        "answer(logits, 'someone/model', revision='refs/pr/1')",
    )
    assert len(main[0]) == 2
    assert old == [expected] * 4


def test_a_model_that_moves_on_while_it_is_loaded_stays_one_commit(
    hub: Any, hub_environment: dict[str, str], tiny: Path, mini: Path
) -> None:
    first = hub.add("someone/model", tiny)
    code = (
        "from torchless import Bundle\nbundle = Bundle.open('someone/model')\nprint('open', flush=True)\ninput()\n"
        "bundle.check()\nprint(bundle.path.name)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, env=hub_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        hub.add("someone/model", mini)
        out, _ = process.communicate("\n", timeout=60)
    assert out == f"{first}\n"


def test_every_way_not_to_be_there_says_what_to_do(hub: Any, hub_environment: dict[str, str], tiny: Path) -> None:
    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    hub.add("someone/tiny", tiny)
    hub.repositories["someone/checkpoint"].commit({"config.json": b"{}"})
    hub.add("other/private", tiny)
    hub.repositories["other/private"].private = True
    hub.add("other/gated", tiny)
    hub.repositories["other/gated"].gated = True
    hub.repositories["someone/half"].commit({name: files[name] for name in files if name != "weights.int8"})
    hub.repositories["someone/altered"].commit({**files, "weights.int8": files["weights.int8"][:-1] + b"?"})
    where = f"the Hub ({hub.url})"
    cases = {
        "someone/nothing": f"{where} has no such model, or keeps it private. Check the name. Log in",
        "other/private": f"{where} has no such model, or keeps it private",
        "other/gated": f"{where} keeps the model gated. Ask for access",
        "someone/tiny@v9": f"the model that {where} has there has no revision v9",
        "someone/checkpoint": "has no manifest.json at revision main. A checkpoint becomes a bundle with",
        "someone/half": "has no weights.int8 at revision",
    }
    names = [*cases, "someone/altered"]
    *missing, altered = answers(hub_environment, f"for name in {names!r}: answer(logits, name)")
    for (kind, message), (name, complaint) in zip(missing, cases.items(), strict=True):
        assert kind == "BundleNotFoundError"
        assert message.startswith(f"no bundle at {name.partition('@')[0]}: there is no such folder, and ")
        assert complaint in message
    assert altered[0] == "IntegrityError"
    assert "weights.int8 was altered or damaged" in altered[1]


def cache(home: Path, tiny: Path, *, shared: bool) -> None:
    """The Hub's cache, as another program left it: links to blobs, which may be links into a store for all models."""
    commit = "0123456789abcdef" * 2 + "01234567"
    model = home / "hub" / "models--someone--tiny"
    snapshot = model / "snapshots" / commit
    store = home / "hub" / "blobs" / "ab"
    for folder in (snapshot, model / "blobs", model / "refs", store):
        folder.mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    for path in tiny.iterdir():
        blob = model / "blobs" / f"etag-{path.name}"
        if shared and path.name.startswith("weights"):
            shutil.copy(path, store)
            blob.symlink_to(f"../../blobs/ab/{path.name}")
        else:
            shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(f"../../blobs/{blob.name}")


@pytest.mark.parametrize("shared", [False, True], ids=["one store a model", "one store for all"])
def test_a_cache_of_links_loads_and_is_not_copied(
    hub_environment: dict[str, str], tiny: Path, tmp_path: Path, expected: list[Any], shared: bool
) -> None:
    cache(tmp_path / "hf", tiny, shared=shared)
    assert answers({**hub_environment, "HF_HUB_OFFLINE": "1"}, "answer(logits, 'someone/tiny')") == [expected]
    weights = list((tmp_path / "hf").rglob("weights.int8"))
    assert len({path.stat().st_ino for path in weights}) == 1


def test_a_cache_that_may_only_be_read_is_read(
    hub_environment: dict[str, str], tiny: Path, tmp_path: Path, expected: list[Any]
) -> None:
    cache(tmp_path / "hf", tiny, shared=False)
    forbid = "def link(*_): raise PermissionError(13, 'Permission denied')\nos.link = link"
    offline = {**hub_environment, "HF_HUB_OFFLINE": "1"}
    assert answers(offline, forbid, "answer(logits, 'someone/tiny')") == [expected]


def test_processes_that_load_at_once_do_not_disturb_each_other(
    hub: Any, hub_environment: dict[str, str], tiny: Path, expected: list[Any]
) -> None:
    hub.add("someone/tiny", tiny)
    command = [sys.executable, "-c", ANSWER + "answer(logits, 'someone/tiny')"]
    processes = [subprocess.Popen(command, env=hub_environment, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [json.loads(output) for output in outputs] == [expected] * 2


def test_a_server_serves_a_model_of_the_hub_under_its_name(
    hub: Any, hub_environment: dict[str, str], tiny: Path, mini: Path
) -> None:
    pytest.importorskip("starlette")
    first = hub.add("someone/tiny", tiny)
    hub.add("someone/tiny", mini)
    (served,) = answers(
        hub_environment,
        "from torchless.serve import create_app",
        f"service = create_app('someone/tiny@{first}').service",
        "answer(lambda: {name: engine.path.name for name, engine in service.models.items()})",
        "service.close()",
    )
    assert served == {"tiny": first}


def test_a_push_that_is_refused_says_why(hub: Any, hub_environment: dict[str, str], tiny: Path, tmp_path: Path) -> None:
    hub.add("someone/tiny", tiny)
    damaged = shutil.copytree(tiny, tmp_path / "damaged")
    with (damaged / "README.md").open("a") as card:
        card.write("!")
    (altered,) = answers(hub_environment, f"answer(push, {str(damaged)!r}, 'someone/tiny')")
    assert altered[0] == "IntegrityError"
    assert "README.md was altered or damaged" in altered[1]
    assert hub.asked == []
    cases = [
        ("", "someone/tiny", "was given no token that it knows. Log in with"),
        ("hf_expired", "someone/tiny", "was given no token that it knows. Log in with"),
        ("hf_nobody", "someone/tiny", "gives this token no right to write there. Use a token that may write to some"),
        ("hf_nobody", "someone/new", "gives this token no right to write there. Use a token that may write to some"),
    ]
    script = f"for token, name, _ in {cases!r}: os.environ['HF_TOKEN'] = token; answer(push, {str(tiny)!r}, name)"
    for (kind, message), (_, name, complaint) in zip(answers(hub_environment, script), cases, strict=True):
        assert kind == "HubError"
        assert message.startswith(f"cannot push to {name}: the Hub ({hub.url}) {complaint}")


def test_a_private_push_makes_the_model_private_and_its_branch(
    hub: Any, hub_environment: dict[str, str], tiny: Path, expected: list[Any]
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
    assert loaded == expected
    assert "cannot push to someone/public: it is there already, and public" in public[1]
    assert "v2" not in hub.repositories["someone/public"].branches


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "someone/ti ny", "someone/tiny.git", "someone/-tiny", "some--one/x"])
def test_an_id_that_the_hub_cannot_have_is_wrong_usage(
    tiny: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(tiny), name]) == 2
    assert f"expected a Hub id of the form org/name, got {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["Classifier.load", "Encoder.load", "Bundle.open", "verify"])
def test_without_huggingface_hub_the_extra_is_named(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    owner, _, method = call.partition(".")
    function = getattr(getattr(torchless, owner), method) if method else torchless.verify
    with pytest.raises(MissingExtraError, match=r"no folder some/model; reading it .*pip install 'torchless\[hub\]'"):
        function("some/model")


def test_a_push_without_huggingface_hub_names_the_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        MissingExtraError, match=r"torchless push needs huggingface_hub: pip install 'torchless\[hub\]'"
    ):
        push(tiny, "someone/tiny")
