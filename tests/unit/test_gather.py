from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from batchreset import gather as gathering
from batchreset.errors import SettingsError, UsageError
from batchreset.gather import config_path, flag_of, gather, is_list, restore, type_of, variable_of
from batchreset.model import PasswordSource
from batchreset.settings import Cloud, Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Name a config file to write to."""
    return tmp_path / "config.toml"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the machine that the tests run on."""
    for name in list(os.environ):
        if name.startswith("BATCHRESET_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(gathering, "config_path", lambda: tmp_path / "nobody" / "config.toml")


def test_nothing_given_is_the_defaults() -> None:
    """None, false and empty lists are what the command line says of options that were not given."""
    assert gather({"workers": None, "yes": False, "protect": [], "header": ()}) == Settings()


def test_flag_over_environment_over_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three gives way to the one before it."""
    config.write_text("workers = 3\nticket = 'file'\ncolumn = 'file'\n")
    monkeypatch.setenv("BATCHRESET_WORKERS", "5")
    monkeypatch.setenv("BATCHRESET_TICKET", "environment")
    settings = gather({"workers": 7}, config)
    assert (settings.workers, settings.ticket, settings.column) == (7, "environment", "file")


def test_whom_one_place_leaves_alone_no_other_gives_up(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of accounts and groups to be left alone, all that was given counts, each once; of other lists it does not."""
    config.write_text(
        "protected = ['file', 'both']\nprotect-group = 'file'\nexcept = ['file']\nexcept-group = ['file']\n"
        "group = ['file']\n"
    )
    monkeypatch.setenv("BATCHRESET_PROTECT", "environment\nboth")
    names = ("protect", "protect_group", "except_", "except_group", "group")
    settings = gather({name: ["flag"] for name in names}, config)
    assert settings.protect == ("flag", "environment", "both", "file")
    assert [getattr(settings, name) for name in names[1:]] == [("flag", "file")] * 3 + [("flag",)]
    assert gather({}, config).protect == ("environment", "both", "file")
    assert gather({"protect": ["flag"]}, config, base=Settings(protect=("base",))).protect == ("flag",)


@pytest.mark.parametrize("name", [item.name for item in fields(Settings) if is_list(item.name)])
def test_an_empty_entry_is_no_entry(name: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's variable that is not set protects nobody: that is refused, wherever it stands."""
    for texts in ([""], ["ana@contoso.example", "  "]):
        with pytest.raises(UsageError, match=f"{flag_of(name)}: what was given is empty"):
            gather({name: texts})
    config.write_text(f'{name} = ""\n')
    with pytest.raises(UsageError, match=f"config.toml: {name}: what was given is empty"):
        gather({}, config)
    monkeypatch.setenv(variable_of(name), " \n")
    with pytest.raises(UsageError, match=f"{variable_of(name)}: what was given is empty"):
        gather({})


def test_zero_is_a_value() -> None:
    """`--workers 0` is refused, not taken for an option that was not given."""
    with pytest.raises(UsageError, match="--workers 0"):
        gather({"workers": 0})
    with pytest.raises(UsageError, match=r"--rate 0\.0"):
        gather({"rate": 0.0})


def test_lists_are_one_per_line_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank lines and white space around do not count."""
    monkeypatch.setenv("BATCHRESET_PROTECT", "ana@contoso.example\r\n\n  ben@contoso.example  \n")
    assert gather({}).protect == ("ana@contoso.example", "ben@contoso.example")


def test_lists_in_the_file(config: Path) -> None:
    """A list, or a single text; dashes and underscores are both taken."""
    config.write_text('protect = ["ana@contoso.example", "ben@contoso.example"]\nbody-property = "a=b"\n')
    settings = gather({}, config)
    assert settings.protect == ("ana@contoso.example", "ben@contoso.example")
    assert settings.body_property == ("a=b",)


def test_reasons_may_be_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one option, in several, or a line each."""
    assert gather({"accept_excluded": ["guest, self", "privileged"]}).accept_excluded == ("guest", "self", "privileged")
    monkeypatch.setenv("BATCHRESET_ACCEPT_EXCLUDED", "guest,self\nprivileged")
    assert gather({}).accept_excluded == ("guest", "self", "privileged")


@pytest.mark.parametrize("name", [item.name for item in fields(Settings) if item.metadata["flag_only"]])
def test_consent_is_a_flag_only(name: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lets accounts be reset that otherwise would not is refused in a file and in the environment, by name."""
    assert getattr(gather({name: True}), name) is True
    config.write_text(f"{name} = true\n")
    with pytest.raises(SettingsError, match=name):
        gather({}, config)
    monkeypatch.setenv(variable_of(name), "1")
    with pytest.raises(UsageError, match=f"{variable_of(name)}.*{flag_of(name)}"):
        gather({})


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells leave them behind."""
    monkeypatch.setenv("BATCHRESET_WORKERS", "")
    monkeypatch.setenv("BATCHRESET_YES", "")
    assert gather({}) == Settings()


def test_lists_are_named_in_the_plural_in_the_file(config: Path) -> None:
    """`protected` is the file's word for --protect, and `recipients` for --recipient."""
    config.write_text('protected = ["ana@contoso.example"]\nrecipients = ["age1x"]\n')
    settings = gather({}, config)
    assert (settings.protect, settings.recipient) == (("ana@contoso.example",), ("age1x",))


def test_an_unknown_key_in_the_file_is_refused(config: Path) -> None:
    """A slip of the pen must not leave an account unprotected."""
    config.write_text('protected_accounts = ["ana@contoso.example"]\n')
    with pytest.raises(SettingsError, match="protected_accounts"):
        gather({}, config)


@pytest.mark.parametrize("content", [b"workers = ", b"workers = 3\nworkers = 4\n", b"\xff\xfe", b"[a\n"])
def test_a_file_that_is_no_toml_is_refused(content: bytes, config: Path) -> None:
    """Naming the file."""
    config.write_bytes(content)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        gather({}, config)


def test_a_named_file_must_be_there(config: Path) -> None:
    """The user's own may be missing, one that was asked for may not; a folder is no file."""
    assert gather({}) == Settings()
    with pytest.raises(SettingsError, match="--config"):
        gather({}, config)
    config.mkdir()
    with pytest.raises(SettingsError, match=r"config\.toml"):
        gather({}, config)


def test_the_users_own_file_is_read(tmp_path: Path) -> None:
    """Without --config it is the one in the user's configuration folder."""
    (tmp_path / "nobody").mkdir()
    (tmp_path / "nobody" / "config.toml").write_text("workers = 4\n")
    assert gather({}).workers == 4


def test_a_file_in_the_current_folder_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have put it there."""
    (tmp_path / "config.toml").write_text("workers = 4\n")
    monkeypatch.chdir(tmp_path)
    assert gather({}).workers == 32
    assert config_path().is_absolute()


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("workers", "several", "a whole number"),
        ("workers", "3.5", "a whole number"),
        ("rate", "fast", "a number"),
        ("cloud", "mars", "global | usgov | dod | china"),
        ("password_source", "hat", "generated | system | column"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    name: str, text: str, wanted: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming where it was given, and what is wanted there."""
    with pytest.raises(UsageError) as refusal:
        gather({name: text})
    assert str(refusal.value) == f"{flag_of(name)} {text}: give {wanted}."
    config.write_text(f"{name} = {json.dumps(text)}\n")
    with pytest.raises(UsageError) as refusal:
        gather({}, config)
    assert str(refusal.value) == f"{config}: {name} {text}: give {wanted}."
    monkeypatch.setenv(variable_of(name), text)
    with pytest.raises(UsageError) as refusal:
        gather({})
    assert str(refusal.value) == f"{variable_of(name)} {text}: give {wanted}."


@pytest.mark.parametrize(
    "line", ["workers = 3.7", "workers = true", "workers = [3]", "workers = []", "column = {a = 1}", "protect = [[]]"]
)
def test_a_files_value_is_not_bent_into_shape(line: str, config: Path) -> None:
    """Neither cut, nor counted, nor printed: refused."""
    config.write_text(line + "\n")
    with pytest.raises(UsageError, match=r"config\.toml: (workers|column|protect)"):
        gather({}, config)


def test_a_files_numbers_may_stand_for_texts(config: Path) -> None:
    """`max-failures = 25` and `deadline = 90` say what they mean."""
    config.write_text("max-failures = 25\ndeadline = 90\nrate = 2\n")
    settings = gather({}, config)
    assert (settings.max_failures, settings.deadline, settings.rate) == ("25", "90", 2.0)


def test_a_recorded_run_has_its_settings_again() -> None:
    """All but consent, which was given for that start only."""
    chosen = Settings(
        cloud=Cloud.USGOV,
        protect=("ana@contoso.example",),
        include_privileged=True,
        password_source=PasswordSource.COLUMN,
        password_column="New password",
        rate=2.5,
        header=("A=b",),
    )
    recorded: dict[str, Any] = json.loads(json.dumps(chosen.but(yes=True, allow_unchecked=True).recorded()))
    assert restore(recorded) == chosen
    assert restore({**recorded, "forgotten": "setting"}) == chosen


def test_flags_count_on_top_of_a_recorded_run(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment and file belong to another day."""
    monkeypatch.setenv("BATCHRESET_WORKERS", "5")
    config.write_text("rate = 1\n")
    settings = gather({"yes": True, "rate": 3.0}, config, base=Settings(workers=9))
    assert settings == Settings(workers=9, rate=3.0, yes=True)


def test_every_setting_has_a_type_that_can_be_given() -> None:
    """So that a new one cannot be forgotten in one of the three places."""
    for item in fields(Settings):
        assert is_list(item.name) or callable(type_of(item.name))
        assert item.metadata["help"]


@pytest.mark.parametrize(
    ("text", "meant"), [("true", True), ("YES", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_switch_in_the_environment_is_on_or_off(text: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  a case
    """`false` is not taken for a text that is not empty."""
    monkeypatch.setenv("BATCHRESET_REQUIRE_MFA", text)
    assert gather({}).require_mfa is meant


def test_a_switch_that_is_neither_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming where it stands."""
    monkeypatch.setenv("BATCHRESET_REQUIRE_MFA", "perhaps")
    with pytest.raises(UsageError, match="BATCHRESET_REQUIRE_MFA perhaps"):
        gather({})
    monkeypatch.delenv("BATCHRESET_REQUIRE_MFA")
    config.write_text("require-mfa = true\n")
    assert gather({}, config).require_mfa
