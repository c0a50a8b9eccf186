"""Bundles on the Hub, in processes of their own, because huggingface_hub reads its settings when it is imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import torchless
from torchless.errors import MissingExtraError

Program = Callable[..., subprocess.CompletedProcess[bytes]]
Answers = Callable[..., list[Any]]
pytestmark = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")

INT8 = ["classifier.int8.onnx", "encoder.int8.onnx", "tokenizer.json", "weights.int8"]  # what the variant is made of


def test_only_the_files_of_the_variant_are_downloaded_and_once(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, tiny_logits: list[Any], program: Program
) -> None:
    hub.add("someone/tiny", tiny)
    load = "answer(logits, 'someone/tiny')"
    assert answers(hub_environment, load, load) == [tiny_logits] * 2
    assert hub.downloads() == sorted([*INT8, "manifest.json"])
    assert program("verify", "someone/tiny", environment=hub_environment).returncode == 0
    assert hub.downloads() == sorted(path.name for path in tiny.iterdir())


def test_files_in_a_folder_are_downloaded_into_one(
    hub: Any,
    hub_environment: dict[str, str],
    answers: Answers,
    in_folders: Path,
    tiny_logits: list[Any],
    program: Program,
) -> None:
    hub.add("someone/tiny", in_folders)
    load = "answer(logits, 'someone/tiny')"
    assert answers(hub_environment, load, load) == [tiny_logits] * 2
    inner = [name if name == "tokenizer.json" else f"onnx/{name}" for name in INT8]
    assert hub.downloads() == sorted([*inner, "manifest.json"])
    assert program("verify", "someone/tiny", environment=hub_environment).returncode == 0


def test_what_was_loaded_once_loads_without_a_network(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, tiny_logits: list[Any]
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
        assert found == pinned == tiny_logits
        for kind, message in (missing, other):
            assert kind == "BundleNotFoundError"
            assert why in message
        assert pushed[0] == "HubError"
        assert f"cannot push to someone/tiny: the Hub ({hub.url}) is out of reach" in pushed[1]


def test_a_revision_is_a_branch_or_a_commit_in_the_name_or_beside_it(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, mini: Path, tiny_logits: list[Any]
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
    assert old == [tiny_logits] * 4


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


def test_every_way_not_to_be_there_says_what_to_do(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path
) -> None:
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
        "other/gated": f"{where} has the model, but it is gated. Ask for access",
        "someone/tiny@v9": f"{where} has the model, but not its revision v9",
        "someone/checkpoint": "but no manifest.json at revision main. A checkpoint becomes a bundle with",
        "someone/half": "has the model, but no weights.int8 at revision",
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
    hub_environment: dict[str, str], answers: Answers, tiny: Path, tmp_path: Path, tiny_logits: list[Any], shared: bool
) -> None:
    cache(tmp_path / "hf", tiny, shared=shared)
    assert answers({**hub_environment, "HF_HUB_OFFLINE": "1"}, "answer(logits, 'someone/tiny')") == [tiny_logits]
    weights = list((tmp_path / "hf").rglob("weights.int8"))
    assert len({path.stat().st_ino for path in weights}) == 1


def test_a_cache_that_may_only_be_read_is_read(
    hub_environment: dict[str, str], answers: Answers, tiny: Path, tmp_path: Path, tiny_logits: list[Any]
) -> None:
    cache(tmp_path / "hf", tiny, shared=False)
    forbid = "def link(*_): raise PermissionError(13, 'Permission denied')\nos.link = link"
    offline = {**hub_environment, "HF_HUB_OFFLINE": "1"}
    assert answers(offline, forbid, "answer(logits, 'someone/tiny')") == [tiny_logits]
    load = "answer(lambda: Classifier.load('someone/tiny', precision='fp32').logits(['good']).tolist())"
    expected = answers(offline, load)
    for linked in (tmp_path / "hf").glob("**/torchless/*/weights.fp32"):  # others have loaded int8 alone
        linked.unlink()
    assert answers(offline, f"{forbid}\nos.access = lambda *_: False", load) == expected


def test_processes_that_load_at_once_do_not_disturb_each_other(
    hub: Any, hub_environment: dict[str, str], tiny: Path, tiny_logits: list[Any], answer_script: str
) -> None:
    hub.add("someone/tiny", tiny)
    command = [sys.executable, "-c", answer_script + "answer(logits, 'someone/tiny')"]
    processes = [subprocess.Popen(command, env=hub_environment, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [json.loads(output) for output in outputs] == [tiny_logits] * 2


def test_a_server_serves_a_model_of_the_hub_under_its_name(
    hub: Any, hub_environment: dict[str, str], answers: Answers, tiny: Path, mini: Path
) -> None:
    pytest.importorskip("starlette")
    first = hub.add("someone/tiny", tiny)
    hub.add("someone/tiny", mini)
    (served,) = answers(
        hub_environment,
        "from torchless.serve import create_app",
        f"service = create_app('someone/tiny@{first}').service",
        "answer(lambda: {name: model.path.name for name, model in service.models.items()})",
        "service.close()",
    )
    assert served == {"tiny": first}


@pytest.mark.parametrize("call", ["Classifier.load", "Encoder.load", "Bundle.open", "verify"])
def test_without_huggingface_hub_the_extra_is_named(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    owner, _, method = call.partition(".")
    function = getattr(getattr(torchless, owner), method) if method else torchless.verify
    with pytest.raises(MissingExtraError, match=r"no folder some/model; reading it .*pip install 'torchless\[hub\]'"):
        function("some/model")
