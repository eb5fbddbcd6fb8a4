"""Passwords on their way out: tables of text as CSV and as workbooks, in clear or encrypted, and the files for them.

A table is its rows, the header among them. It is text to the letter: reports guard cells against formulas, but a
password with one more character is another password.
"""

from __future__ import annotations

import csv
import io
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, TextIO

from batchreset.errors import SettingsError
from batchreset.model import PasswordStyle
from batchreset.recipe import Recipe
from batchreset.vault.making import Maker
from batchreset.vault.sealing import check_passphrase, sync_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchreset.secret import Secret

#: Office takes no longer one. Source: Microsoft's [MS-OFFCRYPTO], 2.3.4.10 and 2.3.4.11.
_LONGEST_PASSPHRASE = 255
#: Six words and a digit, over 75 bits: whoever has the file can guess for as long as they like.
_MADE = Recipe(PasswordStyle.PASSPHRASE, 6, "")


def write_csv(file: TextIO, rows: Iterable[Sequence[str]], line_end: str = "\n") -> None:
    """Write a table as CSV."""
    csv.writer(file, lineterminator=line_end).writerows(rows)


def csv_file(rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as Excel reads CSV by itself: UTF-8 with its mark, lines ended by CR and LF."""
    text = io.StringIO(newline="")
    write_csv(text, rows, "\r\n")
    return text.getvalue().encode("utf-8-sig")


def workbook(rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as an XLSX workbook of text cells. Raises `SettingsError` where one cannot hold it."""
    from xlsxwriter import Workbook  # noqa: PLC0415  needed for workbooks only

    content = io.BytesIO()
    # Nothing in clear goes to temporary files.
    with Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Passwords")
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                if sheet.write_string(number, column, text):
                    raise SettingsError(
                        "The passwords do not fit into one sheet: it holds 1,048,575 of them, and 32,767 characters a "
                        "cell; have them as CSV, or fewer of them."
                    )
    return content.getvalue()


def encrypted(content: bytes, passphrase: Secret) -> bytes:
    """Encrypt an XLSX workbook as Office does: AES-256, its key from SHA-512 a hundred thousand times (ECMA-376 agile).

    It takes 0.15 s, for the sake of whoever tries to guess. All of it happens in memory.
    """
    from msoffcrypto.format.ooxml import OOXMLFile  # noqa: PLC0415  needed for encrypted workbooks only

    sealed = io.BytesIO()
    OOXMLFile(io.BytesIO(content)).encrypt(passphrase.reveal(), sealed)
    return sealed.getvalue()


def check_workbook_passphrase(passphrase: Secret) -> Secret:
    """Return a passphrase that a workbook may be encrypted with. Raises `SettingsError` for one that it may not."""
    if len(passphrase.reveal()) > _LONGEST_PASSPHRASE:
        raise SettingsError(
            f"This passphrase cannot be used: Office takes no more than {_LONGEST_PASSPHRASE} characters."
        )
    return check_passphrase(passphrase)


def made_passphrase() -> Secret:
    """Make a passphrase for a workbook, of words that can be read out on the telephone."""
    return Maker(_MADE, frozenset()).make()


def refuse_existing(path: Path) -> None:
    """Raise `SettingsError` where there is a file or a folder already, or no folder to put one in."""
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"-o {path}: there is no folder {path.parent}; make it, or choose another.")
    if path.exists() or path.is_symlink():
        kind = "folder" if path.is_dir() else "file"
        raise SettingsError(f"-o {path}: this {kind} exists already; it was left as it is.")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, whole or not at all. Raises `SettingsError` where it cannot be."""
    refuse_existing(path)
    try:
        write_private(path, content)
        _keep(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_new_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write named files into a new folder, which takes its name once all of them are there.

    Raises `SettingsError` where that cannot be; nothing is left behind then.
    """
    refuse_existing(folder)
    try:
        draft = Path(mkdtemp(prefix=".passwords-", suffix=".partial", dir=folder.parent))
        try:
            for name, content in files:
                write_private(draft / name, content)
            sync_folder(draft)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _keep(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _keep(path: Path) -> None:
    """Have a new name on disk. A folder that takes files and shows none cannot be asked for that, and need not be."""
    with suppress(OSError):
        sync_folder(path.parent)


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"-o {path}: this cannot be written ({error.strerror}).")
