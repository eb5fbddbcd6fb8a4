"""Where the bytes of an input come from, hashed as they are read."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from _typeshed import WriteableBuffer


class HashedStream(io.RawIOBase):
    """A binary stream that knows the SHA-256 of what has been read of it.

    The stream underneath stays its opener's: a text wrapper that is dropped closes this one only.
    """

    def __init__(self, raw: BinaryIO) -> None:
        """Take the stream to read."""
        self._raw = raw
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """Say that it can be read, as `io` asks."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer from the stream, and hash what came."""
        view = memoryview(buffer)
        data = self._take(len(view))
        view[: len(data)] = data
        return len(data)

    def finish(self) -> str:
        """Read what is left and return the SHA-256 of the whole, in hexadecimal."""
        while self._take(1 << 20):
            pass
        return self._hash.hexdigest()

    def _take(self, size: int) -> bytes:
        data = self._raw.read(size)
        self._hash.update(data)
        return data


@dataclass(frozen=True, slots=True)
class Origin:
    """One input by its name in the report: a file that can be opened again, or bytes that were read once."""

    name: str
    place: Path | bytes = field(repr=False)

    @property
    def ending(self) -> str:
        """The file name's ending in lower case, with its dot; none for bytes."""
        return "" if isinstance(self.place, bytes) else self.place.suffix.lower()

    @contextmanager
    def open(self) -> Iterator[HashedStream]:
        """Open the input from its start. Raises `CohortError` when it cannot be read."""
        try:
            with io.BytesIO(self.place) if isinstance(self.place, bytes) else self.place.open("rb") as raw:
                yield HashedStream(raw)
        except PermissionError as error:
            raise CohortError(
                f"{self.name} cannot be opened: close it in the program that holds it, or ask for the right to read it."
            ) from error
        except OSError as error:
            raise CohortError(f"{self.name} cannot be read: {error.strerror or 'the device failed'}.") from error
