"""The tables of results.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from torchless_bench.contenders.contender import ContenderKind
from torchless_bench.measuring.contest import Entry
from torchless_bench.measuring.spread import Spread
from torchless_bench.workloads import WHOLE, Workload

from .results import Results

_NONE = "-"
_LIKENESS = {"embed": "smallest cosine", "rank": "error / spread"}
_DISTURBED = 0.03  # share of the CPUs above which the report names what other processes took


def report(results: Results) -> str:
    """The whole page."""
    sections = [_heading(results), _torchless(results), _times(results), _ratios(results), _answers(results)]
    sections += [_cold_starts(results), _servers(results), _memory(results), _peak(results), _sizes(results)]
    sections += [_problems(results)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _heading(results: Results) -> str:
    hardware, versions = results.common["hardware"], results.common["versions"]
    gpu = f"{hardware['gpu']} · " if "gpu" in hardware else ""
    instruction_sets = ", ".join(hardware["instruction_sets"]) or "unknown"
    machine = (
        f"{gpu}{hardware['cpu']}, {hardware['cores']} cores ({instruction_sets}), {hardware['memory_gib']} GiB · "
        f"{results.common['threads']} threads per contender · {results.common['created']}"
    )
    method = (
        "Every contender runs in its own process, one at a time, in interleaved rounds. Every time includes "
        "tokenising. Numbers are medians of the rounds; the smallest and the largest are in brackets."
    )
    lines = [
        f"# {results.common['model']}: Torchless beside other contenders",
        machine,
        " · ".join(f"{name} {number}" for name, number in versions.items()),
        method,
        *_disturbance(results),
    ]
    return "\n\n".join(lines)


def _disturbance(results: Results) -> Iterator[str]:
    disturbed = {name: share for name, share in results.others_cpu_share.items() if share > _DISTURBED}
    if disturbed:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in disturbed.items())
        yield f"**The machine was busy. Share of the CPUs that other processes took during a workload: {shares}.**"


def _torchless(results: Results) -> str:
    low_precision: ContenderKind = "fp16" if results.entry("torchless-fp16") else "int8"
    pairs: tuple[tuple[str, ContenderKind], ...] = (("fp32", "exact"), (low_precision, low_precision))
    header, rows = [""], [[workload.name] for workload in results.workloads]
    for precision, kind in pairs:
        ours = results.entry(f"torchless-{precision}")
        header += [f"{precision} vs {results.reference.contender.title}", f"{precision} vs best other {kind}"]
        for row, workload in zip(rows, results.workloads, strict=True):
            other = results.best_other(workload.name, kind)
            ratio = results.ratio(workload.name, ours, other)
            row += [
                _times_faster(results.ratio(workload.name, ours, results.reference)),
                f"{_times_faster(ratio)} {other.contender.title}" if ratio and other else _NONE,
            ]
    return "## Torchless: times faster\n\n" + _table(header, rows)


def _times(results: Results) -> str:
    rows = [
        [entry.contender.title, *(_time(workload, entry) for workload in results.workloads)]
        for entry in results.entries
        if entry.times
    ]
    header = ["", *(w.name + (" (texts/s)" if w.kind in WHOLE else "") for w in results.workloads)]
    return "## Milliseconds per call\n\n" + _table(header, rows)


def _time(workload: Workload, entry: Entry) -> str:
    if workload.name not in entry.times:
        return _NONE
    seconds = Spread.of(entry.times[workload.name]).median
    if workload.kind not in WHOLE:
        return _short(1000 * seconds)
    size = entry.batch_sizes.get(workload.name)
    return f"{workload.texts_per_call / seconds:,.0f}" + (f" (batches of {size})" if size else "")


def _ratios(results: Results) -> str:
    rows = [
        [
            entry.contender.title,
            *(_times_faster(results.ratio(w.name, entry, results.reference)) for w in results.workloads),
        ]
        for entry in results.entries[1:]
        if entry.times
    ]
    title = f"## Times faster than {results.reference.contender.title}\n\n"
    return title + _table(["", *(workload.name for workload in results.workloads)], rows)


def _answers(results: Results) -> str:
    compared = [(entry, entry.agreement) for entry in results.entries if entry.agreement]
    labelled = any(entry.accuracy is not None for entry, _ in compared)
    task = results.common["task"]
    rows = []
    for entry, agreement in compared:
        likeness = f"{agreement.disagreement:.2%}"
        if task == "embed":
            likeness = f"{agreement.min_cosine:.6f}"
        elif task == "rank":
            likeness = f"{agreement.relative_error:.2%}"
        row = [entry.contender.title, f"{agreement.max_difference:.1e}", likeness]
        rows.append(row + ([f"{entry.accuracy:.4f}" if entry.accuracy is not None else _NONE] if labelled else []))
    header = ["", "largest difference", _LIKENESS.get(task, "other labels")]
    header += ["accuracy"] if labelled else []
    texts = compared[0][1].texts if compared else 0
    what = {"tag": "tokens", "pairs": "pairs", "rank": "pairs"}.get(task, "texts")
    return f"## Answers compared with PyTorch's, {texts:,} {what}\n\n" + _table(header, rows)


def _cold_starts(results: Results) -> str:
    if not results.cold_starts:
        return ""
    rows = [
        [way, start.problem, ""]
        if start.problem
        else [way, _spread(Spread.of(start.seconds), "s"), f"{start.peak_memory.median:.0f} MiB"]
        for way, start in results.cold_starts.items()
    ]
    return "## From a new process to its first label\n\n" + _table(["", "seconds", "peak RSS"], rows)


def _servers(results: Results) -> str:
    served = [each for each in results.servers if each.loads]
    if not served:
        return ""
    header, rows = ["requests at a time"], [[str(number)] for number in served[0].loads]
    for each in served:
        header += [f"{each.title}: requests/s", "p50 ms", "p99 ms"]
        for row, load in zip(rows, each.loads.values(), strict=True):
            row += [_median(load.per_second), _median(load.p50_ms), _median(load.p99_ms)]
    return "## Servers: one text per request\n\n" + _table(header, rows)


def _memory(results: Results) -> str:
    measured = [(each, results.memory.get(each.contender.name)) for each in results.entries]
    found = [(entry, memory) for entry, memory in measured if memory]
    if not found:
        return ""
    texts = max(memory.texts for _, memory in found)
    rows = [
        [entry.contender.title, *(map(_mib, (memory.loaded_mib, memory.after_mib, memory.peak_mib)))]
        if not memory.problem
        else [entry.contender.title, memory.problem, "", ""]
        for entry, memory in found
    ]
    header = ["", "after loading", f"after {texts:,} texts", "peak"]
    return "## Resident memory\n\n" + _table(header, rows)


def _peak(results: Results) -> str:
    if not results.peak_gflops:
        return ""
    found = ", ".join(f"{name} {value:.0f}" for name, value in results.peak_gflops.items())
    share = results.peak_share()
    packed, whole = results.forward_gflop["packed"], results.forward_gflop["whole"]
    return (
        f"## Share of the machine's peak\n\nBest float32 matrix product: {found} GFLOP/s. 256 tokens without padding "
        f"take {packed:.1f} GFLOP in the packed graph ({whole:.1f} in the whole model)"
        + (f": Torchless fp32 runs at **{share:.0%}** of the peak." if share else ".")
    )


def _sizes(results: Results) -> str:
    if not results.sizes_mb:
        return ""
    rows = [[what, f"{size_mb:,.0f} MB"] for what, size_mb in results.sizes_mb.items()]
    return "## Installed size\n\n" + _table(["", "a fresh environment"], rows)


def _problems(results: Results) -> str:
    lines = [f"- {entry.contender.title}: {entry.problem}" for entry in results.entries if entry.problem]
    lines += [f"- {served.title}: {served.problem}" for served in results.servers if served.problem]
    return "## Not ranked\n\n" + "\n".join(lines) if lines else ""


def _table(header: Iterable[str], rows: Iterable[Iterable[str | None]]) -> str:
    head = list(header)

    def lines() -> Iterator[str]:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "---|" * len(head)
        for row in rows:
            yield "| " + " | ".join((cell or "").replace("|", "\\|") for cell in row) + " |"

    return "\n".join(lines())


def _times_faster(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else _NONE


def _spread(spread: Spread, unit: str) -> str:
    return f"{_short(spread.median)} {unit} ({_short(spread.low)} to {_short(spread.high)})"


def _median(values: Sequence[float]) -> str:
    return _short(Spread.of(values).median)


def _mib(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f} MiB"


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
