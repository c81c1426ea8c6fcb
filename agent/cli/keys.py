"""Making keys and showing addresses. A key is never printed; a password is typed or read from a file of mode 0600."""

from pathlib import Path

from agent.cli.tables import say
from strategies.errors import SettingsError
from wallets import keystore, operators, secrecy


def new_password(path: Path | None, what: str) -> str:
    """A password for something new, typed twice. Raises SettingsError."""
    if path is not None:
        return secrecy.password_from_file(path)
    least = secrecy.MIN_PASSWORD_CHARACTERS
    first = secrecy.password_from_prompt(f"New password for {what} (at least {least} characters)")
    if secrecy.password_from_prompt("The same again") != first:
        raise SettingsError("the two passwords differ; nothing was made")
    return first


def known_password(path: Path | None, what: str) -> str:
    """The password of something that exists."""
    return secrecy.password_from_prompt(f"Password of {what}") if path is None else secrecy.password_from_file(path)


def create_wallet(path: Path, password_file: Path | None) -> None:
    """A new keystore; prints what to write into the policy."""
    _refuse_taken(path)
    address = keystore.create(path, new_password(password_file, "the wallet's key"))
    say(f"made {path} (mode 0600)")
    say(f'write into the settings:  policy.account = "{address}"')


def show_address(path: Path) -> None:
    """The address of a keystore."""
    say(keystore.read_address(path))


def create_operator(path: Path, password_file: Path | None) -> None:
    """A new operator key; prints what to enrol."""
    _refuse_taken(path)
    public = operators.create(path, new_password(password_file, "your operator key"))
    say(f"made {path} (mode 0600)")
    say(f'enrol in the settings:  policy.operators = [{{ name = "your-name", public_key = "{public}" }}]')


def _refuse_taken(path: Path) -> None:
    """Before anything is asked. Raises SettingsError."""
    if path.exists():
        raise SettingsError(f"{path} is there already, and a key is never overwritten; name another file")
    if not path.parent.is_dir():
        raise SettingsError(f"{path.parent} is no folder; make it first")
