"""The results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .contest import Entry
from .results import Results
from .statistics import Spread
from .workloads import Workload

_NONE = "-"
_DISTURBED = 0.03  # of the CPUs, above which a reader should know


def report(results: Results) -> str:
    """The whole page."""
    sections = [_setting(results), _targets(results), _times(results), _ratios(results), _answers(results)]
    sections += [_starts(results), _peak(results), _sizes(results), _problems(results)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _setting(results: Results) -> str:
    setting = results.setting
    hardware, versions = setting["hardware"], setting["versions"]
    sets = ", ".join(hardware["instruction_sets"]) or "unknown"
    return (
        f"# {setting['model']}: Torchless beside the others\n\n"
        + (f"{hardware['gpu']} · " if "gpu" in hardware else "")
        + f"{hardware['cpu']}, {hardware['cores']} cores ({sets}), {hardware['memory_gib']} GiB · "
        f"{setting['threads']} threads each · {setting['created']}\n\n"
        + " · ".join(f"{name} {number}" for name, number in versions.items())
        + "\n\nEvery contender in its own process, one at a time, in interleaved rounds; tokenising is inside every "
        "time. Medians; in brackets the smallest and the largest of the rounds." + _disturbance(results)
    )


def _disturbance(results: Results) -> str:
    disturbed = {name: share for name, share in results.others_cpu_share.items() if share > _DISTURBED}
    if not disturbed:
        return ""
    told = ", ".join(f"{name} {share:.0%}" for name, share in disturbed.items())
    return f"\n\n**Measured on a busy machine: other processes took this much of the CPUs meanwhile: {told}.**"


def _targets(results: Results) -> str:
    near = "fp16" if results.entry("torchless-fp16") else "int8"
    pairs = ((results.entry("torchless-fp32"), "exact"), (results.entry(f"torchless-{near}"), near))
    rows = []
    for workload in results.workloads:
        row = [workload.name]
        for ours, kind in pairs:
            peer = results.best_peer(workload.name, kind)
            row.append(_times_faster(results.ratio(workload.name, ours, results.reference)))
            ratio = results.ratio(workload.name, ours, peer)
            row.append(f"{_times_faster(ratio)} {peer.contender.title}" if ratio and peer else _NONE)
        rows.append(row)
    them = results.reference.contender.title
    header = ["", f"fp32 / {them}", "fp32 / best exact peer", f"{near} / {them}", f"{near} / best {near} peer"]
    return "## Torchless: times faster\n\n" + _table(header, rows)


def _times(results: Results) -> str:
    rows = [
        [entry.contender.title, *(_cell(workload, entry) for workload in results.workloads)]
        for entry in results.entries
        if entry.times
    ]
    header = ["", *(w.name + (" (texts/s)" if w.kind == "list" else "") for w in results.workloads)]
    return "## Milliseconds a call\n\n" + _table(header, rows)


def _cell(workload: Workload, entry: Entry) -> str:
    if workload.name not in entry.times:
        return _NONE
    seconds = Spread.of(entry.times[workload.name]).median
    if workload.kind != "list":
        return _short(1000 * seconds)
    size = entry.batch_sizes.get(workload.name)
    return f"{workload.texts_a_call / seconds:,.0f}" + (f" (batches of {size})" if size else "")


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
    compared = [entry for entry in results.entries if entry.agreement]
    labelled = any(entry.accuracy is not None for entry in compared)
    embedded = results.setting["task"] == "embed"
    rows = []
    for entry in compared:
        assert entry.agreement is not None
        likeness = f"{entry.agreement.min_cosine:.6f}" if embedded else f"{entry.agreement.disagreement:.2%}"
        row = [entry.contender.title, f"{entry.agreement.max_difference:.1e}", likeness]
        rows.append(row + ([f"{entry.accuracy:.4f}" if entry.accuracy is not None else _NONE] if labelled else []))
    header = [
        "",
        "largest difference",
        "smallest cosine" if embedded else "other labels",
        *(["accuracy"] if labelled else []),
    ]
    texts = compared[0].agreement.texts if compared and compared[0].agreement else 0
    return f"## Answers beside PyTorch's, {texts:,} texts\n\n" + _table(header, rows)


def _starts(results: Results) -> str:
    if not results.starts:
        return ""
    rows = [
        [way, start.problem, ""]
        if start.problem
        else [way, _spread(Spread.of(start.seconds), "s"), f"{start.peak.median:.0f} MiB"]
        for way, start in results.starts.items()
    ]
    return "## From a new process to its first label\n\n" + _table(["", "seconds", "peak RSS"], rows)


def _peak(results: Results) -> str:
    if not results.peak_gflops:
        return ""
    found = ", ".join(f"{name} {value:.0f}" for name, value in results.peak_gflops.items())
    share = results.peak_share()
    lean, whole = results.forward_gflop["lean"], results.forward_gflop["whole"]
    return (
        f"## Share of the machine's peak\n\nBest float32 matrix product: {found} GFLOP/s. 256 packed tokens are "
        f"{lean:.1f} GFLOP in the lean graph ({whole:.1f} in the whole model)"
        + (f": Torchless fp32 runs at **{share:.0%}** of the peak." if share else ".")
    )


def _sizes(results: Results) -> str:
    if not results.sizes_mb:
        return ""
    rows = [[what, f"{size:,.0f} MB"] for what, size in results.sizes_mb.items()]
    return "## Installed size\n\n" + _table(["", "a fresh environment"], rows)


def _problems(results: Results) -> str:
    lines = [f"- {entry.contender.title}: {entry.problem}" for entry in results.entries if entry.problem]
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


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
