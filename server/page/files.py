"""The files of the page, read once at the start. Nothing else is ever opened, so no path leads out of the folder."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
# Of what the operating system says about names of files nothing depends.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_DIGEST_LENGTH = 16
SHEET = "css/all.css"
"""All style sheets but that of the API's page, in one: each file that a browser asks for costs it milliseconds."""
_ELSEWHERE = "css/docs.css"


@dataclass(frozen=True, slots=True)
class Content:
    """A body as it is sent, plain and compressed; `compressed` is None if that would save nothing."""

    body: bytes
    compressed: bytes | None
    content_type: str
    tag: str
    """A digest of the body, for ETag."""

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "Content":
        """Compress a body once, as well as gzip can."""
        compressed = gzip.compress(body, mtime=0)
        return cls(body, compressed if len(compressed) < len(body) else None, content_type, _digest([body]))


@dataclass(frozen=True, slots=True)
class Files:
    """The files by their paths below the folder; `digest` is another one as soon as any of them is."""

    by_path: Mapping[str, Content]
    digest: str


def read_files(folder: Path = FOLDER) -> Files:
    """Read all files of `TYPES` in the folder and below it, and make `SHEET`; other types of files are not served."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in TYPES and path.is_file())
    bodies = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
    bodies[SHEET] = b"".join(body for name, body in bodies.items() if name.endswith(".css") and name != _ELSEWHERE)
    contents = {name: Content.of(body, TYPES[Path(name).suffix]) for name, body in bodies.items()}
    return Files(contents, _digest(part for name, body in bodies.items() for part in (name.encode(), body)))


def _digest(parts: Iterable[bytes]) -> str:
    # The digest of each part has the same length, so no two lists of parts give the same text.
    joined = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(joined).hexdigest()[:_DIGEST_LENGTH]
