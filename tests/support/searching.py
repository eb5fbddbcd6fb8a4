"""Looking for secrets in everything that was written or printed, in whatever form they may have got there."""

from __future__ import annotations

import base64
import html
import io
import json
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

#: Shorter texts are found everywhere.
_SHORTEST = 8
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def forms(secret: str) -> dict[str, set[bytes]]:
    """Return how a secret may be written, by name: in bytes that stand in whatever it is part of."""
    assert len(secret) >= _SHORTEST, "too short to be looked for"
    raws = {"UTF-8": secret.encode(), "UTF-16": secret.encode("utf-16-le"), "UTF-16 BE": secret.encode("utf-16-be")}
    usual = (raws["UTF-8"], raws["UTF-16"])
    percent = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    texts = {
        "percent-encoded": percent | {each.replace("%", "%25") for each in percent},
        "JSON-escaped": {json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], _dotnet(secret)},
        "HTML-escaped": {html.escape(secret), html.escape(secret).replace("&#x27;", "&#39;")},
    }
    return {
        **{name: {raw} for name, raw in raws.items()},
        "base64": {cut for raw in usual for cut in _in_base64(raw)},
        "hexadecimal": {digits.encode() for raw in usual for digits in (raw.hex(), raw.hex().upper())},
        **{name: {each.encode() for each in written} for name, written in texts.items()},
    }


def leaks(written: Mapping[str, bytes], secrets: Collection[str]) -> list[str]:
    """Return where a secret can be read, and how it is written there. There has to be something to look for."""
    assert secrets
    assert any(written.values())
    return [
        f"{place}: {secret} ({name})"
        for secret in secrets
        for name, looks in forms(secret).items()
        for look in looks
        for place, content in written.items()
        if look in content
    ]


def written_in(*folders: Path, but: Collection[Path] = ()) -> dict[str, bytes]:
    """Return the content of every file below the folders, and the members of every archive; `but` are passed over."""
    found: dict[str, bytes] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in but:
                found |= _unpacked(str(path.relative_to(folder.parent)), path.read_bytes())
                found[f"the name {path}"] = str(path).encode()
    return found


def _unpacked(place: str, content: bytes) -> Iterable[tuple[str, bytes]]:
    yield place, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from _unpacked(f"{place}/{name}", archive.read(name))


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Yield what is the same in base64 wherever it begins: four letters hold three bytes."""
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + raw)
        inner = letters[4 * bool(before) : (before + len(raw)) // 3 * 4]
        yield from (inner, inner.translate(_URL_SAFE))


def _dotnet(secret: str) -> str:
    """Escape as .NET's JSON does by default: whatever HTML gives a meaning to."""
    return "".join(f"\\u{ord(letter):04X}" if letter in "\"&'+<>`" else letter for letter in secret)
