"""Texts beyond one machine, on Ray (extra `ray`): data sets, answered by a pool of actors, and the server.

    >>> import ray.data                                                        # doctest: +SKIP
    >>> from torchless.ray import classify
    >>> reviews = ray.data.read_parquet("s3://bucket/reviews/")                # doctest: +SKIP
    >>> classify(reviews, "org/model").write_parquet("s3://bucket/scored/")    # doctest: +SKIP

Importing this module turns off Ray's usage statistics for this process and those that it starts, unless
RAY_USAGE_STATS_ENABLED or `ray enable-usage-stats` says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .bulk.classify import Classify
from .bulk.cluster import assigned_cpus
from .bulk.cluster import ray as _ray
from .bulk.embed import Embed
from .bulk.questions import Model, Question
from .bulk.rows import Wanted
from .bulk.tables import answered_table
from .errors import InputError, needs_extra, shown
from .inputs.windows import Windows

__all__ = ["classify", "deployment", "embed"]

_ray("torchless.ray")

_BATCH_ROWS = 4096


def classify(
    dataset: Any,
    model: str | os.PathLike[str],
    *,
    column: str = "text",
    pair_column: str | None = None,
    top_k: int | None = 1,
    threshold: Any = None,
    activation: str | None = None,
    windows: Windows | None = None,
    prefix: str = "",
    error_column: str | None = None,
    precision: str = "auto",
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    batch_size: int = _BATCH_ROWS,
) -> Any:
    """Label the rows of a data set.

    Args:
        dataset: a ray.data.Dataset.
        model: a folder that every node has, the name of an installed package, or a Hub id.
        column: the column of the texts.
        pair_column: the column of the second text of each pair.
        top_k: 1 makes the columns `label` and `score`; another number, or None for all, a list of both, `labels`.
        threshold: as in `Classifier.rank`; it makes a list too.
        activation: as in `Classifier.rank`.
        windows: as in `Classifier.rank`; makes the column `windows`.
        prefix: what the names of the new columns begin with.
        error_column: the name of a column that says why a row has no answer; None for none. Such a row (null, no
            string, not UTF-8) has null in all other new columns.
        precision: as in `Classifier.load`.
        concurrency: actors, each with a model of its own, or the least and the most of them; None: from 1 to one less
            than the cluster has CPUs (with GPUs: as many as those), so that reading has one.
        num_cpus: CPUs of each actor, which are its threads.
        num_gpus: GPUs of each actor; above 0 the model runs there.
        batch_size: rows that are planned and answered together.

    Returns:
        A Dataset, lazily computed, with all columns of `dataset` and the new ones, in the order of the rows. The bundle
        is checked to be the same everywhere.

    Raises:
        InputError: dataset is none, or there is a pair_column and the model takes single texts.
        BundleError: the model cannot be opened here.
        MissingExtraError: ray.data or pyarrow is not installed.
    """
    question = Classify(_model(model, precision, num_gpus, pair_column), prefix, windows, activation, top_k, threshold)
    return _mapped(
        dataset, question, Wanted((column,), pair_column), error_column, concurrency, num_cpus, num_gpus, batch_size
    )


def embed(
    dataset: Any,
    model: str | os.PathLike[str],
    *,
    column: str = "text",
    pair_column: str | None = None,
    pooling: str | None = None,
    normalize: bool | None = None,
    windows: Windows | None = None,
    prefix: str = "",
    error_column: str | None = None,
    precision: str = "auto",
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    batch_size: int = _BATCH_ROWS,
) -> Any:
    """Turn the rows of a data set into vectors: the column `embedding`, a list of float32 of one size.

    Args:
        dataset: as in `classify`, like all that is not named here.
        model: as in `classify`.
        column: as in `classify`.
        pair_column: as in `classify`.
        pooling: as in `Encoder.embed`.
        normalize: as in `Encoder.embed`.
        windows: as in `Encoder.embed`.
        prefix: as in `classify`.
        error_column: as in `classify`.
        precision: as in `classify`.
        concurrency: as in `classify`.
        num_cpus: as in `classify`.
        num_gpus: as in `classify`.
        batch_size: as in `classify`.

    Raises:
        InputError, BundleError, MissingExtraError: as in `classify`.
    """
    question = Embed(_model(model, precision, num_gpus, pair_column), prefix, windows, pooling, normalize)
    return _mapped(
        dataset, question, Wanted((column,), pair_column), error_column, concurrency, num_cpus, num_gpus, batch_size
    )


def deployment(
    models: Mapping[str, str | os.PathLike[str]] | Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    settings: Any = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    **options: Any,
) -> Any:
    """The HTTP server as a Ray Serve application: `ray.serve.run(deployment("org/model"))`.

    Args:
        models: one bundle or several, as in `torchless.serve.create_app`; a list gives them their own names.
        settings: a `torchless.serve.settings.Settings`; None takes the defaults, with the threads of Ray's CPUs.
        num_cpus: CPUs of each replica.
        num_gpus: GPUs of each replica; above 0 the models run there.
        options: of `ray.serve.deployment`, such as num_replicas or autoscaling_config.

    Raises:
        InputError: two bundles of a list have one name.
        MissingExtraError: Ray Serve or the extra `serve` is not installed.
    """
    with needs_extra("torchless.ray.deployment", "ray"):
        from ray import serve
    from .bundle.locate import name_of

    if not isinstance(models, (str, os.PathLike, Mapping)):
        named: dict[str, str | os.PathLike[str]] = {}
        for each in models:
            if (other := named.setdefault(name_of(each), each)) is not each:
                raise InputError(f"models: {other} and {each} have one name. Pass {{name: bundle, ...}}.")
        models = named

    def build() -> Any:
        from .serve import create_app
        from .serve.settings import Settings

        given = settings or Settings(threads=assigned_cpus(), device="cuda" if num_gpus else "cpu")
        return create_app(models, given)

    replica = {"num_cpus": num_cpus, "num_gpus": num_gpus}
    kind = serve.deployment(ray_actor_options=replica, **{"name": "torchless", **options})
    return kind(serve.ingress(build)()).bind()


def _model(name: str | os.PathLike[str], precision: str, num_gpus: float, pair_column: str | None) -> Model:
    path = os.fspath(name)
    path = os.path.abspath(path) if os.path.isdir(path) else path  # noqa: PTH100, PTH112
    model = Model(path, precision, "cuda" if num_gpus else "cpu")
    bundle = model.bundle()
    if pair_column is not None and not bundle.manifest.pairs:
        raise InputError(f"pair_column: {model.name} takes single texts. Leave it out.")
    return Model(model.name, precision, model.device, bundle.digest)


def _mapped(
    dataset: Any,
    question: Question,
    wanted: Wanted,
    error_column: str | None,
    concurrency: int | tuple[int, int] | None,
    num_cpus: float,
    num_gpus: float,
    batch_size: int,
) -> Any:
    with needs_extra("torchless.ray", "ray"):
        import ray.data
    if not isinstance(dataset, ray.data.Dataset):
        raise InputError(f"dataset: expected a ray.data.Dataset, got {shown(dataset)}.")
    least, most = _actors(concurrency, num_cpus, num_gpus)
    mapped = dataset.map_batches(
        _Blocks,
        fn_constructor_args=(question, wanted, error_column),
        batch_format="pyarrow",
        batch_size=batch_size,
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
        num_cpus=num_cpus,
        num_gpus=num_gpus or None,
    )
    mapped.context.execution_options.preserve_order = True
    return mapped


def _actors(concurrency: int | tuple[int, int] | None, num_cpus: float, num_gpus: float) -> tuple[int, int]:
    if isinstance(concurrency, tuple):
        return concurrency
    if concurrency is not None:
        return concurrency, concurrency
    package = _ray("torchless.ray")
    if not package.is_initialized():
        package.init()
    there = package.cluster_resources()
    most = there.get("GPU", 0) / num_gpus if num_gpus else (there.get("CPU", 1) - 1) / max(num_cpus, 0.01)
    return 1, max(1, int(most))


class _Blocks:
    """A loaded model in a process of Ray's, which answers blocks of the data set."""

    def __init__(self, question: Question, wanted: Wanted, error_column: str | None) -> None:
        self._columns = question.columns(question.model.bundle())
        self._respondent = question.asked(threads=assigned_cpus()).load()
        self._wanted = wanted
        self._error_column = error_column

    def __call__(self, table: Any) -> Any:
        return answered_table(table, self._respondent, self._columns, self._wanted, self._error_column)
