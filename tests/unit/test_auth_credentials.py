"""What an application proves itself with, read from files as people have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchreset.auth.credentials import certificate, secret
from batchreset.errors import SignInError
from tests.support.certificates import application_certificate

if TYPE_CHECKING:
    from pathlib import Path

OURS, OTHER = application_certificate(), application_certificate()


def given(monkeypatch: pytest.MonkeyPatch, path: Path, passphrase: str | None = None) -> None:
    monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE", str(path))
    monkeypatch.delenv("BATCHRESET_CLIENT_CERTIFICATE_PASSWORD", raising=False)
    if passphrase:
        monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE_PASSWORD", passphrase)


@pytest.mark.parametrize("kind", ["pem", "pfx", "certificate first", "chain"])
def test_key_and_certificate_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """In any order, and among others: the certificate is the one that the key belongs to."""
    path = tmp_path / "mixed.pem"
    if kind == "pfx":
        path = OURS.write_pfx(tmp_path, "open sesame")
    elif kind == "pem":
        path = OURS.write_pem(tmp_path, "open sesame")
    elif kind == "certificate first":
        path.write_text(OURS.pem + OURS.key_pem)
    else:
        path.write_text(OTHER.pem + OURS.key_pem + OURS.pem)
    given(monkeypatch, path, "open sesame" if kind in {"pem", "pfx"} else None)
    assert certificate() == {"private_key": OURS.key_pem, "public_certificate": OURS.pem}


@pytest.mark.parametrize(
    "kind", ["wrong passphrase", "no passphrase", "one too many", "key alone", "no key", "another's key", "noise"]
)
def test_what_cannot_be_used_is_told_without_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """One sentence: the variable, the file, and where the passphrase goes."""
    path, passphrase = tmp_path / "app.pem", None
    if kind in {"wrong passphrase", "no passphrase"}:
        path = (OURS.write_pfx if kind[0] == "w" else OURS.write_pem)(tmp_path, "open sesame")
        passphrase = "open barley" if kind[0] == "w" else None
    elif kind == "one too many":
        path, passphrase = OURS.write_pem(tmp_path), "open sesame"
    else:
        content = {"key alone": OURS.key_pem, "no key": OURS.pem, "another's key": OURS.pem + OTHER.key_pem}
        path.write_text(content.get(kind, "noise"))
    given(monkeypatch, path, passphrase)
    with pytest.raises(SignInError, match="no certificate with its RSA key") as refused:
        certificate()
    assert str(path) in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that is not set, or the file that is not there."""
    given(monkeypatch, tmp_path / "nowhere.pem")
    with pytest.raises(SignInError, match=r"nowhere\.pem: the file cannot be read \(No such file"):
        certificate()
    monkeypatch.delenv("BATCHRESET_CLIENT_CERTIFICATE")
    with pytest.raises(SignInError, match="BATCHRESET_CLIENT_CERTIFICATE"):
        certificate()
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", " \n")
    with pytest.raises(SignInError, match="BATCHRESET_CLIENT_SECRET"):
        secret()
