"""The people of the catalogue with keys of their own, and the wallet's signer.

Refuses to enrol anybody else: who is not here signs with a key that no policy knows."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from wallets import keystore, operators
from wallets.operators import Resume
from wallets.policy import Policy, policy_digest
from wallets.signer import Signer
from wallets.wallet import Approved, No, Yes, approval_digest

ENROLLED: Final = ("alice", "bob", "carol")
STRANGER: Final = "a stranger's key"
ANOTHER: Final = "another-plan"


@dataclass(frozen=True, slots=True)
class People:
    """Three operators, a key that nobody enrolled, and the wallet's own."""

    account: str
    signer: Signer
    signs_yes: Mapping[str, Callable[[str, Approved, Policy], Yes]]
    signs_no: Mapping[str, Callable[[str, Approved], No]]
    signs_resume: Mapping[str, Callable[[str], Resume]]
    enrolled: tuple[Mapping[str, str], ...]  # as a policy lists them

    def yes(self, name: str, approved: Approved, policy: Policy, *, is_person: bool = True) -> Yes:
        """What somebody signs who saw this plan; a service has no enrolled key, whatever it calls itself."""
        key = name if name in self.signs_yes and is_person else STRANGER
        return self.signs_yes[key](name, approved, policy)

    def no(self, name: str, approved: Approved) -> No:
        """What somebody signs who rejects this plan."""
        return self.signs_no[name if name in self.signs_no else STRANGER](name, approved)


def gather(folder: Path) -> People:
    """New keys in a private folder, opened once."""
    password = secrets.token_urlsafe(24)
    account = keystore.create(folder / "keystore.json", password)
    public = {name: operators.create(folder / f"{name.split()[0]}.pem", password) for name in (*ENROLLED, STRANGER)}
    keys = {name: operators.unlock(folder / f"{name.split()[0]}.pem", password) for name in public}
    return People(
        account=account,
        signer=keystore.unlock(folder / "keystore.json", password),
        signs_yes={
            known: lambda name, approved, policy, key=key: operators.sign_yes(key, name, approved, policy=policy)  # type: ignore[misc]
            for known, key in keys.items()
        },
        signs_no={
            known: lambda name, approved, key=key: operators.sign_no(  # type: ignore[misc]
                key, name, intent=approved.intent, digest=approved.digest
            )
            for known, key in keys.items()
        },
        signs_resume={
            name: lambda pause_id, name=name, key=keys[name]: operators.sign_resume(key, name, pause_id)  # type: ignore[misc]
            for name in ENROLLED
        },
        enrolled=tuple({"name": name, "public_key": public[name]} for name in ENROLLED),
    )


def another(approved: Approved, policy: Policy) -> Approved:
    """The same plan under another name: a yes to it is a yes to something else."""
    digest = approval_digest(
        chain_id=policy.chain_id,
        account=policy.account,
        calls=approved.calls,
        effects=approved.effects,
        intent=ANOTHER,
        policy_digest=policy_digest(policy),
        expiry=approved.expiry,
    )
    return replace(approved, intent=ANOTHER, digest=digest)
