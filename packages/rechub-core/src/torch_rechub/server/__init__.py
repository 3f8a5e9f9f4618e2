"""The HTTP server of bundles, which the extra ``serve`` installs; ``rechub serve`` runs it.

Requests that arrive while the model computes are answered together, in one batch. `serve` runs a
server until SIGTERM; `make_app` returns the ASGI application alone.
"""

from typing import TYPE_CHECKING, Any

from .settings import Settings

if TYPE_CHECKING:
    from .app import ServingApp

__all__ = ["Settings", "make_app", "serve"]


def serve(bundle: Any, settings: Settings | None = None) -> None:
    """Serve a bundle until SIGTERM or SIGINT; requests in progress are answered first.

    Args:
        bundle: The folder that `save` of a trainer wrote.
        settings: Address, limits and so on.

    Raises:
        BundleError: The bundle is damaged.
        ImportError: FastAPI, uvicorn or httptools is missing (extra ``serve``).
        OSError: The port is in use.
    """
    from .running import run

    run(bundle, settings or Settings())


def make_app(bundle: Any, settings: Settings | None = None) -> "ServingApp":
    """Return the ASGI application that serves a bundle.

    Args:
        bundle: The folder that `save` of a trainer wrote.
        settings: Limits and so on; the address is not used.

    Raises:
        BundleError: The bundle is damaged.
        ImportError: FastAPI is missing (extra ``serve``).
    """
    from .app import ServingApp
    from .served import Served

    settings = settings or Settings()
    return ServingApp(Served(bundle, settings), settings)
