"""Options that several commands share. Decides nothing."""

from pathlib import Path
from typing import Annotated, Optional

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask on the terminal; the operator's password is still needed.")]
PasswordFile = Annotated[
    Optional[Path],  # noqa: UP045  (typer reads this annotation at run time)
    typer.Option(
        "--password-file", help="A file of mode 0600 with the password, or fd:3, an open descriptor; without it you are asked."
    ),
]
OperatorKey = Annotated[Path, typer.Option("--operator-key", help="Your operator key file.")]
OperatorName = Annotated[str, typer.Option("--operator", help="Your name as enrolled in the policy.")]
CONFIG = Path("usufruct.toml")
