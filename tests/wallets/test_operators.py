"""A person's yes: bound to one digest, one name, one kind of statement."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import KeystoreUnreadable, NotApproved, SettingsError
from strategies.protocols.adapter import Call
from tests import worlds
from tests.wallets.chain import policy_for
from wallets import operators
from wallets.operators import Agreement, Resume, check_resume, check_terms, check_yes, sign_resume, sign_terms, sign_yes
from wallets.policy import Operator, Policy, policy_digest
from wallets.wallet import Allowance, Approved, Change, Effects, Yes, approval_digest

PASSWORD = "a long enough password"
PAUSE = "cd" * 16
KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
POLICY = policy_for(
    worlds.ACCOUNT,
    worlds.DEPLOYMENT,
    Operator(name="ada", public_key=operators.public_key(KEY)),
    Operator(name="bob", public_key=operators.public_key(OTHER)),
)
CALLS = (Call("0x" + "aa" * 20, b"\x09\x5e\xa7\xb3"),)
EFFECTS = Effects((Change("0x" + "bb" * 20, "USDC", -5),), (), (50_000,), 1, 2)


def approved(*, intent: str = "one", policy: Policy = POLICY) -> Approved:
    """What a guard would say of some calls."""
    digest = approval_digest(
        chain_id=policy.chain_id,
        account=policy.account,
        calls=CALLS,
        effects=EFFECTS,
        intent=intent,
        policy_digest=policy_digest(policy),
        expiry=99,
    )
    return Approved(intent, CALLS, EFFECTS, digest, 1, 99, 0)


def yes_of(key: Ed25519PrivateKey, name: str, of: Approved) -> Yes:
    return sign_yes(key, name, of, policy=POLICY)


APPROVED = approved()
DIGEST = APPROVED.digest
intents = st.text("abc.-", min_size=1, max_size=8)


@given(intents)
def test_an_enrolled_operators_yes_counts(intent: str) -> None:
    shown = approved(intent=intent)
    assert check_yes(POLICY, yes_of(KEY, "ada", shown), shown.digest) is None


@given(intents, intents)
def test_a_yes_counts_for_no_other_digest(one: str, other: str) -> None:
    yes, digest = yes_of(KEY, "ada", approved(intent=one)), approved(intent=other).digest
    assert (check_yes(POLICY, yes, digest) is None) == (one == other)
    assert (check_yes(POLICY, Yes("ada", digest, yes.signature), digest) is None) == (one == other)


@pytest.mark.parametrize(
    "shown",
    [
        replace(APPROVED, digest=approved(intent="theft").digest),
        replace(APPROVED, digest="give me everything"),
        replace(APPROVED, intent="two"),
        replace(APPROVED, expiry=100),
        replace(APPROVED, calls=(replace(CALLS[0], target="0x" + "ee" * 20),)),
        replace(APPROVED, calls=(*CALLS, *CALLS)),
        replace(APPROVED, effects=replace(EFFECTS, changes=())),
        replace(APPROVED, effects=replace(EFFECTS, changes=(replace(EFFECTS.changes[0], delta_raw=-1),))),
        replace(APPROVED, effects=replace(EFFECTS, allowances=(Allowance("0x" + "bb" * 20, "0x" + "cc" * 20, 1),))),
        replace(APPROVED, effects=replace(EFFECTS, unexpected=("a delegation",))),
        approved(policy=POLICY.model_copy(update={"max_calls": 7})),
        approved(policy=POLICY.model_copy(update={"chain_id": 1})),
        approved(policy=POLICY.model_copy(update={"account": "0x" + "99" * 20})),
    ],
)
def test_refuses_to_sign_a_digest_that_is_not_of_what_is_shown(shown: Approved) -> None:
    with pytest.raises(NotApproved, match="shown"):
        yes_of(KEY, "ada", shown)


def test_refuses_a_stranger() -> None:
    assert "no enrolled operator" in (check_yes(POLICY, yes_of(KEY, "eve", APPROVED), DIGEST) or "")


def test_refuses_one_operators_signature_under_anothers_name() -> None:
    assert "does not verify" in (check_yes(POLICY, yes_of(OTHER, "ada", APPROVED), DIGEST) or "")


@pytest.mark.parametrize("signature", ["", "zz", "00" * 64, "00" * 63])
def test_refuses_what_is_no_signature(signature: str) -> None:
    assert "does not verify" in (check_yes(POLICY, Yes("ada", DIGEST, signature), DIGEST) or "")


def test_refuses_to_sign_what_is_no_pauses_id() -> None:
    with pytest.raises(ValueError, match="32 hexadecimal"):
        sign_resume(KEY, "ada", DIGEST)


def test_a_resume_ends_its_own_pause_and_no_other() -> None:
    resume = sign_resume(KEY, "ada", PAUSE)
    assert check_resume(POLICY, resume, PAUSE) is None
    assert "another pause" in (check_resume(POLICY, resume, "ef" * 16) or "")
    forged = Resume("ada", "ef" * 16, resume.signature)
    assert "does not verify" in (check_resume(POLICY, forged, "ef" * 16) or "")


def test_a_yes_is_never_a_resume() -> None:
    yes = yes_of(KEY, "ada", APPROVED)
    assert check_resume(POLICY, Resume("ada", DIGEST, yes.signature), DIGEST) is not None


def test_an_agreement_counts_for_its_own_change_and_operator() -> None:
    agreement = sign_terms(KEY, "ada", DIGEST)
    assert check_terms(POLICY.operators, agreement, DIGEST) is None
    assert "another change" in (check_terms(POLICY.operators, agreement, "ef" * 32) or "")
    assert "no enrolled operator" in (check_terms(POLICY.operators[1:], agreement, DIGEST) or "")
    assert "does not verify" in (check_terms(POLICY.operators, sign_terms(OTHER, "ada", DIGEST), DIGEST) or "")


def test_a_yes_is_never_an_agreement_and_an_agreement_never_a_yes() -> None:
    agreement, yes = sign_terms(KEY, "ada", DIGEST), yes_of(KEY, "ada", APPROVED)
    assert check_terms(POLICY.operators, Agreement("ada", DIGEST, yes.signature), DIGEST) is not None
    assert check_yes(POLICY, Yes("ada", DIGEST, agreement.signature), DIGEST) is not None


def test_a_key_file_is_encrypted_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    public = operators.create(path, PASSWORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert operators.public_key(operators.unlock(path, PASSWORD)) == public


def test_refuses_a_wrong_password_and_does_not_repeat_it(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    operators.create(path, PASSWORD)
    with pytest.raises(KeystoreUnreadable) as caught:
        operators.unlock(path, "wrong password, it is")
    assert "wrong password, it is" not in str(caught.value)


def test_refuses_to_replace_a_key(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    operators.create(path, PASSWORD)
    before = path.read_bytes()
    with pytest.raises(KeystoreUnreadable, match="never overwritten"):
        operators.create(path, PASSWORD)
    assert path.read_bytes() == before


def test_refuses_a_weak_password_and_a_file_that_others_read(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    with pytest.raises(SettingsError, match="too weak"):
        operators.create(path, "short")
    operators.create(path, PASSWORD)
    path.chmod(0o644)
    with pytest.raises(KeystoreUnreadable, match="chmod 600"):
        operators.unlock(path, PASSWORD)


def test_refuses_a_file_that_holds_no_such_key(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    path.write_bytes(b"not a key")
    path.chmod(0o600)
    with pytest.raises(KeystoreUnreadable):
        operators.unlock(path, PASSWORD)
    with pytest.raises(KeystoreUnreadable):
        operators.unlock(tmp_path / "absent.pem", PASSWORD)
