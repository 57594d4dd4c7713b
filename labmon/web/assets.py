"""The pages and the files of `static/`: always checked for a newer version, so upgrades are seen.

The trap: a checkout has `static/` beside the package, a wheel has it inside.
"""

from __future__ import annotations

import mimetypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tornado.web import StaticFileHandler

from labmon.web.handler import ApiHandler, GuardedHandler
from labmon.web.problems import ProblemError

if TYPE_CHECKING:
    from labmon.web.operation import Operation

_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_A_YEAR_S: Final = 365 * 86400


@cache
def static_dir() -> Path:
    """The folder of the browser's files: inside the package, else one folder up.

    Raises:
        FileNotFoundError: it is at neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "static", package.parent / "static"):
        if (folder / "index.html").is_file():
            return folder
    raise FileNotFoundError(f"there is no static/index.html in {package} nor beside it")


class AssetHandler(GuardedHandler, StaticFileHandler):
    """One file under `/static/`."""

    def set_extra_headers(self, path: str) -> None:
        """Files with a version in their address never change; all others are asked for again."""
        is_versioned = path.startswith("vendor/") and bool(self.request.query)
        self.set_header(
            "Cache-Control",
            f"public, max-age={_A_YEAR_S}, immutable" if is_versioned else "no-cache",
        )

    def get_content_type(self) -> str:
        """By the file's ending; modules are not run by browsers under another type."""
        suffix = Path(self.absolute_path or "").suffix.lower()
        if suffix in _TYPES:
            return _TYPES[suffix]
        return mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"


class PageHandler(AssetHandler):
    """Every page is the same file; its script looks at the address."""

    def parse_url_path(self, url_path: str) -> str:
        """Always the one page."""
        return "index.html"


class NotFoundHandler(ApiHandler):
    """Every address that is not listed: the page says so to people, an error to programs."""

    def _operation(self) -> Operation:
        raise ProblemError(404, f"there is nothing at {self.request.path[:200]}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The page with the status 404, where a browser asked for one."""
        asks_for_page = "text/html" in self.request.headers.get("Accept", "")
        if status_code != 404 or not asks_for_page or self.request.method != "GET":
            super().write_error(status_code, **kwargs)
            return
        self.set_status(404)
        self.set_header("Content-Type", _TYPES[".html"])
        self.set_header("Cache-Control", "no-store")
        self.finish((static_dir() / "index.html").read_bytes())
