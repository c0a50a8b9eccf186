"""The whole run, from a command line to its files, with Torchless itself in PyTorch's place."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError
from torchless_bench import benchmark, beside, command, journal
from torchless_bench.contenders.contender import Contender
from torchless_bench.contenders.tables import CLASSIFIERS, ENCODERS, TAGGERS
from torchless_bench.measuring import cold_start, contender_process, flops
from torchless_bench.measuring.contest import Contest, Pace
from torchless_bench.reporting.records import json_lines
from torchless_bench.serving import servers
from torchless_bench.workloads import Workload

REFERENCE = "torch-eager"
Bench = Callable[..., tuple[str, list[dict[str, Any]]]]


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Run on the tiny bundle; returns the report and the JSON records."""
    config = {"dim": 32, "hidden_dim": 64, "n_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    absent = Contender("absent", "The absent", "exact", "fake_contenders:load_not_installed")
    for name, table in (("CLASSIFIERS", CLASSIFIERS), ("ENCODERS", ENCODERS), ("TAGGERS", TAGGERS)):
        ours = [contender for contender in table if contender.name.startswith("torchless")]
        stand_in = Contender(REFERENCE, "PyTorch eager", "exact", ours[0].load)
        monkeypatch.setattr(benchmark, name, (stand_in, absent, *ours))
    monkeypatch.setattr(benchmark, "_QUICK_LENGTHS", (8, 16))
    monkeypatch.setattr(benchmark, "_QUICK_LIST_TEXTS", 20)
    monkeypatch.setattr(benchmark, "Pace", lambda **pace: Pace(**{**pace, "seconds": 0.01}))
    # A test asks for what takes a second or more where it looks at the answer.
    monkeypatch.setattr(flops, "_PRODUCTS", {})
    monkeypatch.setattr(contender_process, "_QUIET_LIMIT_S", 0)
    ways = {"Torchless int8": cold_start.WAYS["Torchless int8"], "broken": "raise SystemExit('no such model')"}
    monkeypatch.setattr(cold_start, "WAYS", ways)
    monkeypatch.setattr(beside, "_QUICK_MEMORY_TEXTS", 30)
    monkeypatch.setattr(beside, "QUICK_TITLES", ())

    def bench(*arguments: str, model: Path = tiny) -> tuple[str, list[dict[str, Any]]]:
        folder = tmp_path / "results"
        options = parse(str(model), "--against", str(tmp_path), "--quick", "--rounds", "1", *arguments)
        monkeypatch.setattr(benchmark, "write", lambda results, *_: lines.extend(json_lines(results)))
        lines: list[str] = []
        page = benchmark.benchmark(argparse.Namespace(**{**vars(options), "output": str(folder)}))
        return page, [json.loads(line) for line in lines]

    return bench


def test_a_run_reports_everything_that_it_promises(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flops, "_PRODUCTS", {"numpy": None})  # its name alone: another process looks it up
    monkeypatch.setattr(contender_process, "_QUIET_LIMIT_S", 3)
    monkeypatch.setattr(beside, "QUICK_TITLES", (servers.OURS, "infinity (torch)"))
    monkeypatch.setattr(beside, "_QUICK_SERVER_S", 0.2)
    (tmp_path / "labelled.tsv").write_text("text\tlabel\ngood\tpositive\nbad\tnegative\n")
    page, records = bench("--evaluate", str(tmp_path / "labelled.tsv"), "--threads", "1")

    for record in records:  # every line is complete in itself
        assert record["threads"] == 1
        assert record["hardware"].keys() >= {"cpu", "cores", "instruction_sets", "memory_gib"}
        assert record["versions"].keys() >= {"python", "torchless", "numpy", "onnxruntime", "tokenizers"}
        assert record["created"]
        assert record["model"]

    times = [record for record in records if record["record"] == "time"]
    assert {record["workload"] for record in times} == {
        "1 x 8", "1 x 16", "8 mixed", "32 mixed", "8 x 32", "list of 20", "file of 20 rows",
    }  # fmt: skip
    assert {record["contender"] for record in times} == {REFERENCE, "torchless-fp32", "torchless-int8"}
    assert times[0].keys() >= {
        "kind", "ranked", "texts", "tokens", "ms", "rounds_ms", "times_faster_than_reference", "others_cpu_share",
    }  # fmt: skip
    assert times[0]["ms"].keys() == {"median", "low", "high"}
    assert times[0]["times_faster_than_reference"] == {"median": 1.0, "low": 1.0, "high": 1.0}

    contenders = {record["contender"]: record for record in records if record["record"] == "contender"}
    assert contenders["absent"]["problem"] == "a_package_that_nobody_has is not installed"
    assert contenders["torchless-fp32"]["answers"]["max_difference"] == 0.0
    assert 0.0 <= contenders["torchless-int8"]["accuracy"] <= 1.0

    starts = {record["way"]: record for record in records if record["record"] == "cold start"}
    assert starts["Torchless int8"]["seconds"]["median"] > 0
    assert starts["Torchless int8"]["peak_rss_mib"]["median"] > 10
    assert starts["broken"]["problem"] == "failed: no such model"

    served = [record for record in records if record["record"] == "server"]
    assert [record.get("requests_at_a_time") for record in served] == [1, 8, 32, None]
    assert served[0]["requests_per_s"]["median"] > 0
    assert 0 < served[0]["p50_ms"]["median"] <= served[0]["p99_ms"]["median"]
    assert set(served[0]["statuses"]) == {"200"}
    assert served[3]["problem"] == "infinity_emb is not installed"
    assert "- infinity (torch): infinity_emb is not installed" in page

    memory = {record["contender"]: record for record in records if record["record"] == "memory"}
    assert memory.keys() == {REFERENCE, "torchless-fp32", "torchless-int8"}
    assert memory["torchless-int8"]["texts"] == 30
    assert 10 < memory["torchless-int8"]["loaded_mib"] <= memory["torchless-int8"]["peak_mib"]

    (peak,) = (record for record in records if record["record"] == "peak")
    assert peak["sgemm_gflops"]["numpy"] > 0
    assert peak["share"] > 0

    assert "- The absent: a_package_that_nobody_has is not installed" in page
    assert "## Torchless: times faster" in page


def test_embeddings_of_the_contenders_asked_for_are_compared_by_cosine_and_have_no_cold_start(bench: Bench) -> None:
    page, records = bench("--embed", "--contenders", "torchless-int8,torchless-fp32")
    contenders = {record["contender"]: record for record in records if record["record"] == "contender"}
    assert list(contenders) == [REFERENCE, "torchless-fp32", "torchless-int8"]  # without the absent one
    assert contenders["torchless-fp32"]["answers"]["max_difference"] == 0.0
    assert 0.9 < contenders["torchless-int8"]["answers"]["min_cosine"] < 1.0
    assert not [record for record in records if record["record"] == "cold start"]
    assert "smallest cosine" in page


def test_taggers_are_compared_token_by_token(bench: Bench, tiny_tagger: Path) -> None:
    page, records = bench("--task", "tag", model=tiny_tagger)
    contenders = {record["contender"]: record for record in records if record["record"] == "contender"}
    assert contenders["torchless-fp32"]["answers"]["disagreement"] == 0.0
    assert contenders["torchless-fp32"]["answers"]["texts"] > 1000
    assert {record["contender"] for record in records if record["record"] == "time"} >= {REFERENCE, "torchless-fp32"}
    assert " tokens\n" in page


@pytest.fixture
def headless(tiny_copy: Path, rewrite: Callable[..., None]) -> Path:
    def behead(fields: dict[str, Any]) -> None:
        for variant in fields["variants"].values():
            variant["classifier"] = None

    rewrite(behead)
    return tiny_copy


@pytest.mark.parametrize(
    ("task", "model", "problem"),
    [
        ("tag", "tiny", "tiny does not label tokens"),
        ("classify", "tiny_tagger", "labels tokens. Give --task tag"),
        ("classify", "headless", "has no head. Give --task embed"),
        ("pairs", "tiny_tagger", "reads single texts"),
        ("rank", "mini", "reads single texts"),
    ],
)
def test_a_model_that_is_made_for_another_task_is_refused(
    task: str, model: str, problem: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "config.json").write_text('{"dim": 32, "hidden_dim": 64, "n_layers": 2}')
    folder = str(request.getfixturevalue(model))
    with pytest.raises(InputError, match=problem):
        benchmark.benchmark(parse(folder, "--against", str(tmp_path), "--quick", "--task", task))


def test_a_run_that_was_interrupted_goes_on_and_measures_nothing_twice(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: list[str] = []
    measure = Contest._time

    def interrupted(contest: Contest, workload: Workload, pace: Pace) -> dict[str, Any]:
        if len(timed) == 2:
            raise KeyboardInterrupt
        timed.append(workload.name)
        return measure(contest, workload, pace)

    monkeypatch.setattr(Contest, "_time", interrupted)
    work = str(tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        bench("--work", work)
    assert "the same command with --resume goes on" in capsys.readouterr().err
    before = journal.Journal.resume(Path(work), _begun(work))

    monkeypatch.setattr(Contest, "_time", lambda *given: timed.append(given[1].name) or measure(*given))
    _, records = bench("--work", work, "--resume")
    assert len(timed) == len(set(timed)) == 7
    for name in timed[:2]:
        kept = before.found("time", name)["times"]
        found = [record for record in records if record["record"] == "time" and record["workload"] == name]
        assert {record["contender"]: record["rounds_ms"] for record in found} == {
            contender: [round(1000 * seconds, 4) for seconds in rounds] for contender, rounds in kept.items()
        }

    monkeypatch.setattr(Contest, "load", lambda _: pytest.fail("everything was measured"))
    assert bench("--work", work, "--resume")[1][1:] is not None
    with pytest.raises(InputError, match="--threads: . then, 1 now" if os.cpu_count() != 1 else "--resume"):
        bench("--work", work, "--resume", "--threads", "1")


def _begun(work: str) -> dict[str, Any]:
    begun: dict[str, Any] = json.loads((Path(work) / journal.NAME).read_text().splitlines()[0])["run"]
    return begun


def test_an_unknown_contender_lists_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"expected some of torch-eager, torch-compile, .*, got tensorflow"):
        benchmark.benchmark(parse(str(tiny), "--against", str(tiny), "--contenders", "tensorflow"))


def test_a_checkpoint_that_is_not_there_is_named(tiny: Path) -> None:
    with pytest.raises(InputError, match="no/such: there is no such folder"):
        benchmark.benchmark(parse(str(tiny), "--against", "no/such"))
