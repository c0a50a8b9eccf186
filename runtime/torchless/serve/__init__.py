"""The HTTP server: `torchless serve MODEL`, or `create_app(models)` to mount it in an application of your own.

Five dialects are those of other servers, so that their clients only change the URL; docs/serving.md lists the paths.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torchless.errors import needs_extra

if TYPE_CHECKING:
    from .app import Application
    from .settings import Settings
else:
    Application = Settings = Any  # for those who read the annotations; the extra need not be installed

PACKAGES = ("starlette", "uvicorn", "httptools", "msgspec", "prometheus_client")


def create_app(
    models: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str], settings: Settings | None = None
) -> Application:
    """An ASGI application that serves bundles, loaded and warm when this returns. A process forked from it serves too.

    Args:
        models: one bundle (a folder, an installed package, a Hub id), or several by name. The first answers where a
            request names none.
        settings: limits and threads; what concerns the listening socket is ignored.

    Raises:
        MissingExtraError: the extra `serve` is not installed.
        BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError: as in `Classifier.load`.
        VerificationError: a bundle does not answer here as it did where it was exported.
        InputError: no models at all.
    """
    with needs_extra("torchless.serve.create_app", "serve", *PACKAGES):
        from .app import Application
        from .service import Service
    from torchless.bundle.locate import name_of

    from .settings import Settings

    if isinstance(models, (str, os.PathLike)):
        models = {name_of(models): models}
    service = Service(models, settings or Settings())
    try:
        service.load()
    except BaseException:
        service.close()
        raise
    service.expect_forks()
    return Application(service)
