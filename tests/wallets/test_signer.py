"""The key signs an approval's own calls, and nothing else."""

import copy
import pickle
import subprocess
import sys
import traceback
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import NotApproved
from strategies.protocols.adapter import Call
from wallets.case import Fees
from wallets.safe import Seat
from wallets.signer import SignedTransaction, Signer
from wallets.wallet import Approved, Effects, approval_digest

KEY = b"\x11" * 32
SIGNER = Signer(Account.from_key(KEY))
POLICY = "cd" * 32
CHAIN = 31337
EFFECTS = Effects((), (), (), 1, 2)
FEES = Fees(30 * 10**9, 10**9, (100_000,))
CALLS = (Call("0x" + "aa" * 20, b"\x09\x5e\xa7\xb3"), Call("0x" + "bb" * 20, b"\x61\x7b\xa0\x37", 0))


def approved(calls: tuple[Call, ...] = CALLS, *, chain_id: int = CHAIN, expiry: int = 99) -> Approved:
    digest = approval_digest(
        chain_id=chain_id, account=SIGNER.address, calls=calls, effects=EFFECTS, intent="one", policy_digest=POLICY, expiry=expiry
    )
    return Approved("one", calls, EFFECTS, digest, 1, expiry, 0)


def sign(yes: Approved, *, index: int = 0, policy_digest: str = POLICY, chain_id: int = CHAIN) -> SignedTransaction:
    return SIGNER.sign(
        yes,
        index=index,
        nonce=7,
        fees=FEES,
        gas_limit=100_000,
        policy_digest=policy_digest,
        chain_id=chain_id,
        seat=Seat(SIGNER.address, None),
    )


def test_signs_a_type_2_transaction_of_exactly_the_approved_call() -> None:
    signed = sign(approved(), index=1)
    assert signed.raw[0] == 2
    fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    assert (fields["chainId"], fields["nonce"], fields["gas"], fields["value"]) == (CHAIN, 7, 100_000, 0)
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (FEES.max_fee_wei, FEES.max_priority_fee_wei)
    assert (bytes(fields["to"]), bytes(fields["data"])) == (bytes.fromhex("bb" * 20), CALLS[1].data)
    assert not fields["accessList"]
    assert Account.recover_transaction(signed.raw).lower() == SIGNER.address


def test_the_same_call_signs_to_the_same_bytes() -> None:
    assert sign(approved()) == sign(approved())


changes = st.sampled_from(
    [
        lambda yes: replace(yes, calls=(replace(yes.calls[0], target="0x" + "cc" * 20), *yes.calls[1:])),
        lambda yes: replace(yes, calls=(replace(yes.calls[0], data=yes.calls[0].data + b"\x00"), *yes.calls[1:])),
        lambda yes: replace(yes, calls=(replace(yes.calls[0], value_wei=1), *yes.calls[1:])),
        lambda yes: replace(yes, calls=yes.calls[::-1]),
        lambda yes: replace(yes, calls=yes.calls[:1]),
        lambda yes: replace(yes, effects=replace(yes.effects, block=9)),
        lambda yes: replace(yes, intent="two"),
        lambda yes: replace(yes, expiry=yes.expiry + 1),
        lambda yes: replace(yes, digest="00" * 32),
    ]
)


@given(changes)
def test_one_changed_thing_after_approval_is_not_approved(change: "st.SearchStrategy[Approved]") -> None:
    with pytest.raises(NotApproved, match="digest"):
        sign(change(approved()))  # type: ignore[operator]


def test_refuses_another_policy_and_another_chain() -> None:
    with pytest.raises(NotApproved, match="digest"):
        sign(approved(), policy_digest="ef" * 32)
    with pytest.raises(NotApproved, match="digest"):
        sign(approved(), chain_id=1)


@pytest.mark.parametrize("index", [-1, 2])
def test_refuses_a_call_the_approval_does_not_have(index: int) -> None:
    with pytest.raises(NotApproved, match="has no call"):
        sign(approved(), index=index)


def test_shows_its_address_and_never_its_key() -> None:
    told = f"{SIGNER!r} {SIGNER} {[getattr(SIGNER, name) for name in dir(SIGNER) if not name.startswith('_')]}"
    assert SIGNER.address in told
    assert KEY.hex() not in told


def test_cannot_be_copied_pickled_or_extended() -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(SIGNER)
    with pytest.raises(AttributeError):
        SIGNER.key = KEY  # type: ignore[attr-defined]


def test_unlocking_leaves_the_recursion_limit_alone() -> None:
    code = (
        "import sys; from wallets import signer; before = sys.getrecursionlimit();"
        "content = signer._accounts().encrypt(bytes(31) + bytes([1]), 'password', iterations=2);"
        "signer.signer_of(content, 'password'); assert sys.getrecursionlimit() == before, sys.getrecursionlimit()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_has_no_door_for_hashes_or_messages() -> None:
    doors = {name for name in dir(SIGNER) if not name.startswith("_")}
    assert doors == {"address", "sign"}


IMPOSSIBLE = (
    Call("0x12", b""),
    Call("0x" + "AA" * 20, b""),
    Call("0x" + "aa" * 20, b"", value_wei=2**256),
    Call("0x" + "aa" * 20, b"", value_wei=-1),
)


@pytest.mark.parametrize("call", IMPOSSIBLE)
def test_what_is_no_transaction_is_refused_before_the_key_is_near(call: Call) -> None:
    with pytest.raises(NotApproved, match="no transaction") as caught:
        sign(approved((call,)))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert caught.value.__context__ is None
    assert KEY.hex() not in shown
    assert repr(KEY)[2:-1] not in shown


@pytest.mark.parametrize("changes", [{"nonce": 2**64}, {"nonce": -1}, {"gas_limit": 2**64}, {"fees": Fees(2**256, 0, ())}])
def test_an_impossible_nonce_gas_or_fee_is_refused(changes: dict[str, Any]) -> None:
    told = {"nonce": 7, "fees": FEES, "gas_limit": 100_000, **changes}
    with pytest.raises(NotApproved, match="no transaction"):
        SIGNER.sign(approved(), index=0, policy_digest=POLICY, chain_id=CHAIN, seat=Seat(SIGNER.address, None), **told)
