"""The only module that reads model files: finds folders, parses TOML, computes digests, keeps the parse cache.

The cache is one JSON file named after the digest of the folder, so it can be deleted at any time and a changed
model never meets an old cache. Standard library only. Internal.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legdx.errors import Fault, ModelFormatError

__all__ = [
    "CACHE_FOLDER",
    "SINGLE_FILES",
    "Folder",
    "default_folder",
    "read_folder",
    "read_literature",
    "read_some",
    "write_cache",
]

SINGLE_FILES = ("manifest.toml", "findings.toml", "mechanisms.toml", "red_flags.toml", "sources.toml")
CACHE_FOLDER = ".legdx_cache"
_CACHE_FORMAT = "2"


def default_folder() -> Path:
    """The leg weakness model: inside the installed package, or beside `src/` in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "models" / "leg_weakness", package.parent.parent / "models" / "leg_weakness"):
        if folder.is_dir():
            return folder
    raise ModelFormatError(
        [Fault(where=str(package), problem="the shipped model is not there", fix="install legdx again")]
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """What was read of a model folder: documents by file name, or what was kept of them in the cache."""

    documents: dict[str, Any]
    digest: str
    checked: bool  # from the cache, where only folders go that passed every check
    faults: tuple[Fault, ...] = ()  # of files that are missing or cannot be parsed


def read_folder(folder: Path) -> Folder:
    """Parse every file of a model folder, or take what is kept of it in the cache.

    Raises:
        ModelFormatError: there is no such folder.
    """
    if not folder.is_dir():
        raise ModelFormatError(
            [Fault(where=str(folder), problem="no such folder", fix="give the path of a model folder")]
        )
    contents = {name: (folder / name).read_bytes() for name in _file_names(folder)}
    digest = _digest(contents)
    cached = _read_cache(folder, digest)
    if cached is not None:
        return Folder(documents=cached, digest=digest, checked=True)
    faults = [
        Fault(where=name, problem="is missing", fix="add the file; see docs/model-format.md")
        for name in SINGLE_FILES
        if name not in contents
    ]
    documents: dict[str, Any] = {}
    for name, data in contents.items():
        try:
            documents[name] = _parse(name, data)
        except ModelFormatError as error:
            faults += error.faults
    return Folder(documents=documents, digest=digest, checked=False, faults=tuple(faults))


def read_some(folder: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Parse only the named files, so that a damaged file elsewhere in the folder is no obstacle."""
    with contextlib.suppress(OSError, ModelFormatError):
        digest = _digest({name: (folder / name).read_bytes() for name in _file_names(folder)})
        cached = _read_cache(folder, digest)
        if cached is not None:
            return {name: cached[name] for name in names}
    documents = {}
    for name in names:
        try:
            documents[name] = _parse(name, (folder / name).read_bytes())
        except OSError as error:
            fault = Fault(where=str(folder / name), problem="cannot be read", fix=f"{error.strerror}: add the file")
            raise ModelFormatError([fault]) from error
    return documents


def write_cache(folder: Path, digest: str, plain: dict[str, Any]) -> None:
    """Keep the checked form of a model beside it, if the folder can be written to; older caches go."""
    target = _cache_file(folder, digest)
    with contextlib.suppress(OSError):
        target.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(plain, stream, ensure_ascii=False, separators=(",", ":"))
        # mkstemp makes a file for its owner alone; other users of the installation read the cache too.
        Path(temporary).chmod(0o644)
        os.replace(temporary, target)
        for old in target.parent.glob("*.json"):
            if old != target:
                old.unlink()


def read_literature(folder: Path) -> list[dict[str, str]]:
    """The published values that the model is held to; an empty list where it ships none."""
    file = folder / "literature.csv"
    if not file.is_file():
        return []
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def _file_names(folder: Path) -> Iterator[str]:
    yield from (name for name in SINGLE_FILES if (folder / name).is_file())
    yield from sorted(f"causes/{file.name}" for file in (folder / "causes").glob("*.toml"))


def _digest(contents: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(contents):
        # Line endings are not content: a checkout on another system has the same digest.
        data = contents[name].replace(b"\r\n", b"\n")
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return f"sha256:{whole.hexdigest()}"


def _parse(name: str, data: bytes) -> Any:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fault = Fault(where=name, problem=f"is not valid TOML: {error}", fix="mend the file at that place")
        raise ModelFormatError([fault]) from error


def _cache_file(folder: Path, digest: str) -> Path:
    return folder / CACHE_FOLDER / f"{digest.removeprefix('sha256:')[:32]}-{_CACHE_FORMAT}.json"


def _read_cache(folder: Path, digest: str) -> dict[str, Any] | None:
    try:
        documents = json.loads(_cache_file(folder, digest).read_bytes())
    except (OSError, ValueError):
        return None
    return documents if isinstance(documents, dict) and set(SINGLE_FILES) <= set(documents) else None
