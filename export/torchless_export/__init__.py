"""Checkpoints to bundles: read, rewritten as packed graphs, proven equal to PyTorch, written whole.

Arrows run one way: this package imports the runtime, never the other way round.
"""

from torchless import telemetry as _telemetry

_telemetry.turn_off_onnxruntime()  # here too, because optimum imports onnxruntime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import ExportError
    from .exporting import export
    from .reports import ExportReport
else:
    _HOME = {"ExportError": "errors", "ExportReport": "reports", "export": "exporting"}

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module 'torchless_export' has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


__all__ = ["ExportError", "ExportReport", "export"]
