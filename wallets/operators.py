"""People's keys: Ed25519 signatures over what exactly they say yes to. Refuses unknown operators, other digests and any
signature that does not verify; a yes to one thing is never a yes to another: each kind of statement begins with its own words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from strategies.errors import KeystoreUnreadable, NotApproved, SettingsError
from wallets import secrecy
from wallets.policy import Operator, Policy, policy_digest
from wallets.wallet import Approved, No, Yes, approval_digest

APPROVAL: Final = "usufruct approval v1"
REJECTION: Final = "usufruct rejection v1"
RESUME: Final = "usufruct resume v1"
TERMS: Final = "usufruct terms v1"
PAUSE_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator's statement that one pause, and no other, is over."""

    operator: str
    pause_id: str
    signature: str  # 64 bytes, hex


@dataclass(frozen=True, slots=True)
class Agreement:
    """An operator's statement that one change of the terms, and no other, may come into force."""

    operator: str
    digest: str  # of the change: what is in force, what would be, and the one time it was asked for
    signature: str  # 64 bytes, hex


def create(path: Path, password: str) -> str:
    """A new operator key in an encrypted PEM file of mode 0600; its public key, hex. Raises KeystoreUnreadable, SettingsError."""
    secrecy.refuse_weak(password)
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    try:
        secrecy.write_new(path, content)
    except FileExistsError:
        raise KeystoreUnreadable(path=str(path), why="a file is already there, and a key is never overwritten") from None
    except OSError as error:
        raise KeystoreUnreadable(path=str(path), why=error.strerror or type(error).__name__) from None
    return public_key(key)


def unlock(path: Path, password: str) -> Ed25519PrivateKey:
    """An operator's key. Raises KeystoreUnreadable."""
    try:
        key = serialization.load_pem_private_key(secrecy.read_private(path), password.encode())
    except OSError as error:
        raise KeystoreUnreadable(path=str(path), why=error.strerror or type(error).__name__) from None
    except SettingsError as error:
        raise KeystoreUnreadable(path=str(path), why=str(error)) from None
    except (ValueError, TypeError):
        raise KeystoreUnreadable(path=str(path), why="the password is wrong or the content is damaged") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeystoreUnreadable(path=str(path), why="it is no Ed25519 key")
    return key


def public_key(key: Ed25519PrivateKey) -> str:
    """What a policy enrols, hex."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()


def sign_yes(key: Ed25519PrivateKey, operator: str, approved: Approved, *, policy: Policy) -> Yes:
    """An operator's yes to what is shown: the digest is made anew of it, and one that was handed over is only compared.
    Raises NotApproved where they differ."""
    digest = approval_digest(
        chain_id=policy.chain_id,
        account=policy.account,
        calls=approved.calls,
        effects=approved.effects,
        intent=approved.intent,
        policy_digest=policy_digest(policy),
        expiry=approved.expiry,
    )
    if digest != approved.digest:
        raise NotApproved("the digest is not of the calls and effects that are shown, for this account, chain and policy")
    return Yes(operator, digest, key.sign(_message(APPROVAL, operator, digest)).hex())


def check_yes(policy: Policy, yes: Yes, digest: str) -> str | None:
    """None where the yes is an enrolled operator's and over this digest; else why it counts nothing."""
    if yes.digest != digest:
        return f"the yes of {yes.operator!r} is to another digest"
    return _check(policy.operators, yes.operator, (APPROVAL, digest), yes.signature)


def consenting(policy: Policy, approvals: Sequence[Yes], *, digest: str, people: int) -> tuple[str, ...]:
    """The operators whose yes it is, each once. Raises NotApproved where too few said it, and for one bad signature among good
    ones."""
    if faults := [fault for yes in approvals if (fault := check_yes(policy, yes, digest))]:
        raise NotApproved("; ".join(faults))
    said = tuple(dict.fromkeys([yes.operator for yes in approvals]))
    if len(said) < people:
        found = f"{', '.join(said)} said yes" if said else "no operator has said yes"
        wanted = "two different operators must" if people > 1 else "one must"
        raise NotApproved(f"{found}; {wanted}", "two-people" if people > 1 else "approval")
    return said


def sign_no(key: Ed25519PrivateKey, operator: str, *, intent: str, digest: str) -> No:
    """An operator's final no to a plan."""
    return No(operator, intent, digest, key.sign(_message(REJECTION, operator, digest)).hex())


def check_no(policy: Policy, no: No) -> str | None:
    """None where the no is an enrolled operator's; else why it counts nothing."""
    return _check(policy.operators, no.operator, (REJECTION, no.digest), no.signature)


def sign_resume(key: Ed25519PrivateKey, operator: str, pause_id: str) -> Resume:
    """An operator's end of one pause. Raises ValueError where it is no pause's id."""
    if PAUSE_ID.fullmatch(pause_id) is None:
        raise ValueError("a pause's id is 32 hexadecimal digits")
    return Resume(operator, pause_id, key.sign(_message(RESUME, operator, pause_id)).hex())


def check_resume(policy: Policy, resume: Resume, pause_id: str) -> str | None:
    """None where an enrolled operator ends this very pause; else why it goes on."""
    if resume.pause_id != pause_id:
        return f"the statement of {resume.operator!r} ends another pause"
    return _check(policy.operators, resume.operator, (RESUME, pause_id), resume.signature)


def sign_terms(key: Ed25519PrivateKey, operator: str, digest: str) -> Agreement:
    """An operator's agreement to one change of the terms."""
    return Agreement(operator, digest, key.sign(_message(TERMS, operator, digest)).hex())


def check_terms(voters: Sequence[Operator], agreement: Agreement, digest: str) -> str | None:
    """None where one of these operators agrees to this very change; else why it counts nothing."""
    if agreement.digest != digest:
        return f"the agreement of {agreement.operator!r} is to another change"
    return _check(voters, agreement.operator, (TERMS, digest), agreement.signature)


def _message(kind: str, operator: str, content: str) -> bytes:
    return f"{kind}\n{operator}\n{content}\n".encode()


def _check(enrolled: Sequence[Operator], name: str, said: tuple[str, str], signature: str) -> str | None:
    operator = next((one for one in enrolled if one.name == name), None)
    if operator is None:
        return f"{name!r} is no enrolled operator"
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(operator.public_key))
        key.verify(bytes.fromhex(signature), _message(said[0], name, said[1]))
    except (InvalidSignature, ValueError):
        return f"the signature of {name!r} does not verify"
    return None
