"""The whole run, from a command line to its files, with Torchless itself in PyTorch's place."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError
from torchless_bench import benchmark, command
from torchless_bench.contenders.contender import Contender
from torchless_bench.contenders.tables import CLASSIFIERS, ENCODERS
from torchless_bench.measuring import cold_start, flops
from torchless_bench.measuring.contest import Pace
from torchless_bench.reporting.records import json_lines

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
    for name, table in (("CLASSIFIERS", CLASSIFIERS), ("ENCODERS", ENCODERS)):
        ours = [contender for contender in table if contender.name.startswith("torchless")]
        stand_in = Contender(REFERENCE, "PyTorch eager", "exact", ours[0].load)
        monkeypatch.setattr(benchmark, name, (stand_in, absent, *ours))
    monkeypatch.setattr(benchmark, "_QUICK_LENGTHS", (8, 16))
    monkeypatch.setattr(benchmark, "_QUICK_LIST_TEXTS", 20)
    monkeypatch.setattr(benchmark, "Pace", lambda **pace: Pace(**{**pace, "seconds": 0.01}))
    monkeypatch.setattr(flops, "_PRODUCTS", {"numpy": flops._PRODUCTS["numpy"]})
    ways = {"Torchless int8": cold_start.WAYS["Torchless int8"], "broken": "raise SystemExit('no such model')"}
    monkeypatch.setattr(cold_start, "WAYS", ways)

    def bench(*arguments: str) -> tuple[str, list[dict[str, Any]]]:
        folder = tmp_path / "results"
        options = parse(str(tiny), "--against", str(tmp_path), "--quick", "--rounds", "1", *arguments)
        monkeypatch.setattr(benchmark, "write", lambda results, *_: lines.extend(json_lines(results)))
        lines: list[str] = []
        page = benchmark.benchmark(argparse.Namespace(**{**vars(options), "output": str(folder)}))
        return page, [json.loads(line) for line in lines]

    return bench


def test_a_run_reports_everything_that_it_promises(bench: Bench, tmp_path: Path) -> None:
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


def test_an_unknown_contender_lists_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"expected some of torch-eager, torch-compile, .*, got tensorflow"):
        benchmark.benchmark(parse(str(tiny), "--against", str(tiny), "--contenders", "tensorflow"))


def test_a_checkpoint_that_is_not_there_is_named(tiny: Path) -> None:
    with pytest.raises(InputError, match="no/such: there is no such folder"):
        benchmark.benchmark(parse(str(tiny), "--against", "no/such"))
