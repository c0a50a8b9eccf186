"""The plots, drawn from the records of results.jsonl, so that an old run can be drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # set before pyplot is imported, which would look for a display

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

Record = Mapping[str, Any]

_INK, _MUTED, _GRID = "#22262b", "#747b84", "#e3e6ea"
# Torchless stands out. Other contenders have a colour per family; their int8 lines are dashed.
_FP32, _INT8 = "#1f6fb4", "#d9480f"
_FAMILIES = {"torch": "#3b3f46", "pipeline": "#8b6f9c", "optimum": "#5f9ea0", "ort": "#7a9e3f", "openvino": "#b38f2d",
             "ctranslate2": "#a8738b", "sentence": "#3b3f46", "fastembed": "#5f9ea0"}  # fmt: skip
_STYLE = {
    "figure.dpi": 160,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _MUTED,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
}


def draw(records: Sequence[Record], folder: Path) -> list[Path]:
    """Draw latency.png, throughput.png, start.png, servers.png and memory.png; one without measurements is left out.

    Args:
        records: the lines of results.jsonl, parsed.
        folder: where to write; it must exist.

    Returns:
        The files written.
    """

    def of(key: str, *values: str) -> list[Record]:
        return [record for record in records if record.get(key) in values]

    paths = []
    with plt.rc_context(_STYLE):
        for name, figure, caption_inches in (
            ("latency.png", _latency(of("workload_kind", "single")), 0.75),
            ("throughput.png", _throughput(of("workload_kind", "list", "batch")), 0.35),
            ("start.png", _start(of("record", "cold start"), of("record", "installed size")), 0.35),
            ("servers.png", _servers(of("record", "server")), 0.35),
            ("memory.png", _memory(of("record", "memory")), 0.35),
        ):
            if figure is not None:
                _caption(figure, records[0], caption_inches)
                figure.savefig(folder / name, bbox_inches="tight", facecolor="white")
                plt.close(figure)
                paths.append(folder / name)
    return paths


def _latency(times: Sequence[Record]) -> Any:
    """On the left the milliseconds of one text by its length, on the right how many times faster than the reference."""
    lengths = sorted({record["tokens"] for record in times})
    if len(lengths) < 2:
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5.2), gridspec_kw={"wspace": 0.5})
    for axis, title, measure in (
        (left, "One text, str to answer: milliseconds", "ms"),
        (right, f"Times faster than {times[0]['title']}", "times_faster_than_reference"),
    ):
        ends = []
        for name in dict.fromkeys(record["contender"] for record in times):
            rows = sorted((r for r in times if r["contender"] == name), key=lambda record: record["tokens"])
            values = [record[measure]["median"] for record in rows]
            axis.plot([record["tokens"] for record in rows], values, **_line(name))
            ends.append((values[-1], rows[-1]["title"], name))
        axis.set(title=title, xscale="log", yscale="log", xlabel="tokens")
        _plain_ticks(axis, lengths)
        axis.grid(visible=True, axis="y")
        _label_ends(axis, lengths[-1], ends)
    return figure


def _throughput(times: Sequence[Record]) -> Any:
    """Texts per second, one panel per workload. Every panel has the contenders in the order of the list's speed."""
    names = list(dict.fromkeys(record["workload"] for record in times))
    if not names:
        return None
    per_second = {
        (record["workload"], record["contender"]): 1000 * record["texts"] / record["ms"]["median"] for record in times
    }
    titles = {record["contender"]: record["title"] for record in times}
    order = sorted(titles, key=lambda name: per_second.get((names[-1], name), 0.0))
    figure, axes = plt.subplots(
        1, len(names), figsize=(4.1 * len(names), 0.6 + 0.34 * len(order)), sharey=True, squeeze=False
    )
    for axis, workload in zip(axes[0], names, strict=True):
        values = [per_second.get((workload, name), 0.0) for name in order]
        _bars(axis, [titles[name] for name in order], values, [_colour(name) for name in order], "{:,.0f}")
        title = f"Batches of {workload.split()[0]}" if "mixed" in workload else f"A {workload}, str to label"
        axis.set_title(f"{title}: texts/s")
    return figure


def _start(cold_starts: Sequence[Record], sizes: Sequence[Record]) -> Any:
    """Seconds and memory of cold starts, and installed sizes if they were measured."""
    started = [record for record in cold_starts if not record["problem"]]
    if not started:
        return None
    panels = [
        ("New process to first label: seconds", [(r["way"], r["seconds"]["median"]) for r in started], "{:.2f}"),
        ("Its peak memory: MiB", [(r["way"], r["peak_rss_mib"]["median"]) for r in started], "{:,.0f}"),
    ]
    if sizes:
        panels.append(("Installed size: MB", [(r["what"], r["mb"]) for r in sizes], "{:,.0f}"))
    figure, axes = plt.subplots(1, len(panels), figsize=(5.2 * len(panels), 2.1), gridspec_kw={"wspace": 0.62})
    for axis, (title, bars, form) in zip(axes, panels, strict=True):
        bars = sorted(bars, key=lambda bar: bar[1])
        colours = [_INT8 if "int8" in way else _FP32 if "Torchless" in way else "#aab1ba" for way, _ in bars]
        _bars(axis, [way for way, _ in bars], [value for _, value in bars], colours, form)
        axis.set_title(title)
    return figure


def _servers(loads: Sequence[Record]) -> Any:
    """Requests per second of every server, one panel per number of requests at a time."""
    loads = [record for record in loads if not record["problem"]]
    if not loads:
        return None
    numbers = sorted({record["requests_at_a_time"] for record in loads})
    titles = list(dict.fromkeys(record["server"] for record in loads))[::-1]
    per_second = {
        (record["server"], record["requests_at_a_time"]): record["requests_per_s"]["median"] for record in loads
    }
    height = 0.7 + 0.34 * len(titles)
    figure, axes = plt.subplots(1, len(numbers), figsize=(4.1 * len(numbers), height), sharey=True, squeeze=False)
    colours = [_INT8 if title.startswith("torchless") else "#aab1ba" for title in titles]
    for axis, number in zip(axes[0], numbers, strict=True):
        _bars(axis, titles, [per_second.get((title, number), 0.0) for title in titles], colours, "{:,.0f}")
        axis.set_title(f"{number} at a time: requests/s")
    return figure


def _memory(measured: Sequence[Record]) -> Any:
    """Resident memory of every contender after its texts."""
    known = sorted(
        (record for record in measured if not record["problem"] and record["after_mib"]),
        key=lambda record: record["after_mib"],
        reverse=True,
    )
    if not known:
        return None
    figure, axis = plt.subplots(figsize=(6.5, 0.7 + 0.34 * len(known)))
    colours = [_colour(record["contender"]) for record in known]
    _bars(axis, [r["title"] for r in known], [r["after_mib"] for r in known], colours, "{:,.0f}")
    axis.set_title(f"Resident memory after {known[0]['texts']:,} texts: MiB")
    return figure


def _bars(axis: Any, titles: list[str], values: list[float], colours: list[str], form: str) -> None:
    bars = axis.barh(titles, values, color=colours, height=0.72)
    for bar, colour in zip(bars, colours, strict=True):
        bar.set_alpha(1.0 if colour in (_FP32, _INT8) else 0.6)
    axis.bar_label(bars, [form.format(value) if value else "" for value in values], padding=4, color=_INK, fontsize=8.5)
    axis.margins(x=0.16)
    axis.tick_params(axis="y", length=0, labelcolor=_INK)
    axis.xaxis.set_visible(False)
    for side in ("bottom", "left"):
        axis.spines[side].set_visible(False)


def _line(name: str) -> dict[str, Any]:
    ours = name.startswith("torchless")
    return {
        "color": _colour(name),
        "linewidth": 2.6 if ours else 1.3,
        "linestyle": "--" if name.endswith("int8") and not ours else "-",
        "marker": "o",
        "markersize": 4.5 if ours else 2.5,
        "alpha": 1.0 if ours or name == "torch-eager" else 0.75,
        "zorder": 3 if ours else 2,
    }


def _colour(name: str) -> str:
    if name.startswith("torchless"):
        return _INT8 if name.endswith("int8") else _FP32
    return _FAMILIES.get(name.split("-")[0], _MUTED)


def _plain_ticks(axis: Any, lengths: Sequence[int]) -> None:
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = axis.get_ylim()
    steps = [base * 10**power for power in range(-2, 6) for base in (1, 2, 5)]
    axis.set_yticks([step for step in steps if low <= step <= high])
    axis.set_ylim(low, high)
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_minor_locator(NullLocator())


def _label_ends(axis: Any, x: float, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write each line's name at its right end; names are moved apart so that none overlap."""
    axis.figure.canvas.draw()  # pixel positions exist only after the layout
    to_pixels = axis.transData.transform
    apart = 10.5 * axis.figure.dpi / 72
    placed: list[float] = []
    ordered = sorted(ends)
    for value, _, _ in ordered:
        wanted = to_pixels((x, value))[1]
        placed.append(max(wanted, placed[-1] + apart) if placed else wanted)
    # Names were only moved upwards; moving all down by the mean distance centres them on their lines.
    moved = sum(place - to_pixels((x, value))[1] for place, (value, _, _) in zip(placed, ordered, strict=True))
    shift = moved / len(placed)
    for place, (value, title, name) in zip(placed, ordered, strict=True):
        offset = (place - shift - to_pixels((x, value))[1]) * 72 / axis.figure.dpi
        axis.annotate(
            title,
            (x, value),
            xytext=(16, offset),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=_colour(name),
            fontweight="bold" if name.startswith("torchless") else "normal",
            arrowprops={"arrowstyle": "-", "color": _GRID, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3},
        )


def _caption(figure: Any, record: Record, below_inches: float) -> None:
    hardware, versions = record["hardware"], record["versions"]
    gpu = f"{hardware['gpu']}, " if "gpu" in hardware else ""
    packages = ("torchless", "onnxruntime-gpu" if gpu else "onnxruntime", "torch")
    named = ", ".join(f"{name} {versions[name]}" for name in packages if name in versions)
    figure.text(
        0.01,
        figure.subplotpars.bottom - below_inches / figure.get_figheight(),
        f"{record['model']} · {gpu}{hardware['cpu']}, {hardware['cores']} cores, "
        f"{record['threads']} threads per contender · "
        f"{named} · {record['created'][:10]}",
        fontsize=7.5,
        color=_MUTED,
    )
