"""Checkpoints to bundles: read, rewritten as a lean graph, proven equal to PyTorch, written whole.

Arrows run one way: this package imports the runtime, never the other way round.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import ExportError
    from .export import ExportReport, export
else:
    _HOME = {"ExportError": "errors", "ExportReport": "export", "export": "export"}

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module 'torchless_export' has no attribute {name!r}")
        module = import_module(f"{__name__}.{_HOME[name]}")
        # All at once: importing the module export leaves it where the function export belongs.
        globals().update({known: getattr(module, known) for known, home in _HOME.items() if home == _HOME[name]})
        return globals()[name]


__all__ = ["ExportError", "ExportReport", "export"]
