"""Grants that are no allowances of tokens are taken back, written and read one to one; what grants is never read."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import NATIVE, Asset, Deployment
from strategies.errors import SettingsError, UnknownCall
from strategies.protocols import erc20, grants, registry
from strategies.protocols.adapter import Call
from strategies.revocations import GrantRevocation, Lockdown, RevokeOperator, RevokePermit, RevokeToken
from tests.strategies.protocols.cases import DAI, USDC
from tests.strategies.protocols.uniswap_v3_case import MARKET
from tests.worlds import ACCOUNT

PERMIT2 = "0x" + "22" * 20
MANAGER = MARKET.contract("position_manager")
OLD, OTHER = "0x" + "0d" * 20, "0x" + "0e" * 20
COIN = Asset(USDC.chain_id, NATIVE, "ETH", 18)
DEPLOYMENT = Deployment(USDC.chain_id, "tests", "0x" + "ca" * 20, (USDC, DAI, COIN), (MARKET,), {}, permit2=PERMIT2)
LIST = "(address,address)[]"
FOR_ALL = bytes.fromhex("a22cb465")
APPROVE = bytes.fromhex("87517c45")
LOCKDOWN = bytes.fromhex("cc53287f")
OWNER = bytes(12) + bytes.fromhex(ACCOUNT[2:])

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
pairs = st.lists(st.tuples(st.sampled_from((USDC, DAI)), addresses), min_size=1, max_size=5).map(tuple)
revocations: st.SearchStrategy[GrantRevocation] = st.one_of(
    st.builds(RevokeOperator, st.just(MANAGER), addresses),
    st.builds(RevokeToken, st.just(MANAGER), st.integers(0, 2**256 - 1)),
    st.builds(RevokePermit, st.just(PERMIT2), st.sampled_from((USDC, DAI)), addresses),
    st.builds(Lockdown, st.just(PERMIT2), pairs),
)


def as_the_abi_writes(action: GrantRevocation) -> Call:
    match action:
        case RevokeOperator(collection, operator):
            return Call(collection, FOR_ALL + abi(["address", "bool"], [operator, False]))
        case RevokeToken(collection, token_id):
            return Call(collection, erc20.APPROVE.selector + abi(["address", "uint256"], ["0x" + "00" * 20, token_id]))
        case RevokePermit(contract, asset, spender):
            return Call(contract, approve(asset.address, spender, 0, 0))
        case Lockdown(contract, listed):
            return Call(contract, LOCKDOWN + abi([LIST], [[(asset.address, spender) for asset, spender in listed]]))


def approve(token: str, spender: str, raw: int, expiry: int) -> bytes:
    return APPROVE + abi(["address", "address", "uint160", "uint48"], [token, spender, raw, expiry])


def read(data: bytes, target: str = PERMIT2, value_wei: int = 0) -> GrantRevocation | None:
    found = grants.parse(Call(target, data, value_wei), DEPLOYMENT)
    assert found == registry.parse(Call(target, data, value_wei), ACCOUNT, DEPLOYMENT)
    return found


@given(revocations)
def test_a_revocation_is_written_as_the_abi_writes_it_and_read_back(action: GrantRevocation) -> None:
    (call,) = registry.encode(action, ACCOUNT)
    assert call == as_the_abi_writes(action)
    assert read(call.data, call.target) == action


@given(revocations, st.data())
def test_bytes_and_meaning_are_one_to_one(action: GrantRevocation, data: st.DataObject) -> None:
    call = grants.encode(action)
    at, byte = data.draw(st.integers(0, len(call.data) - 1)), data.draw(st.integers(1, 255))
    changed = Call(call.target, call.data[:at] + bytes([call.data[at] ^ byte]) + call.data[at + 1 :])
    found = grants.parse(changed, DEPLOYMENT)
    assert found != action
    assert found is None or grants.encode(found) == changed
    assert read(call.data[: data.draw(st.integers(0, len(call.data) - 1))], call.target) is None
    assert read(call.data + bytes(data.draw(st.integers(1, 64))), call.target) is None


@given(revocations, st.integers(1, 2**256 - 1))
def test_a_revocation_carries_no_value_and_goes_to_no_other_contract(action: GrantRevocation, value_wei: int) -> None:
    call = grants.encode(action)
    assert read(call.data, call.target, value_wei) is None
    for target in (OTHER, MARKET.address, MARKET.contract("router"), PERMIT2 if call.target == MANAGER else MANAGER):
        assert read(call.data, target) is None
    assert grants.parse(call, replace(DEPLOYMENT, permit2=None, markets=())) is None


def test_whatever_grants_is_read_by_nobody() -> None:
    assert read(FOR_ALL + abi(["address", "bool"], [OLD, False]), MANAGER) == RevokeOperator(MANAGER, OLD)
    assert read(FOR_ALL + abi(["address", "bool"], [OLD, True]), MANAGER) is None
    assert read(FOR_ALL + abi(["address", "uint256"], [OLD, 2]), MANAGER) is None
    assert read(erc20.APPROVE.encode(OLD, 7), MANAGER) is None
    assert read(approve(USDC.address, OLD, 0, 0)) == RevokePermit(PERMIT2, USDC, OLD)
    for raw, expiry in ((1, 0), (2**160 - 1, 2**48 - 1), (0, 1)):
        assert read(approve(USDC.address, OLD, raw, expiry)) is None


def test_only_listed_tokens_are_taken_back_and_the_native_coin_is_none() -> None:
    for token in (OTHER, NATIVE):
        assert read(approve(token, OLD, 0, 0)) is None
        assert read(LOCKDOWN + abi([LIST], [[(USDC.address, OLD), (token, OLD)]])) is None
    with pytest.raises(UnknownCall, match="native coin"):
        grants.encode(RevokePermit(PERMIT2, COIN, OLD))


def test_a_list_of_no_pairs_or_one_that_says_where_it_stands_in_another_way_is_refused() -> None:
    two = abi([LIST], [[(USDC.address, OLD), (DAI.address, OTHER)]])
    assert read(LOCKDOWN + two) == Lockdown(PERMIT2, ((USDC, OLD), (DAI, OTHER)))
    assert read(LOCKDOWN + abi([LIST], [[]])) is None
    moved = (64).to_bytes(32, "big") + bytes(32) + two[32:]
    assert read(LOCKDOWN + moved) is None
    assert read(LOCKDOWN + two[:32] + (1).to_bytes(32, "big") + two[64:]) is None
    assert read(LOCKDOWN + two[:32] + (2**255).to_bytes(32, "big") + two[64:]) is None
    with pytest.raises(UnknownCall, match="no pairs"):
        grants.encode(Lockdown(PERMIT2, ()))


def test_a_name_that_is_no_address_is_not_written() -> None:
    for action in (RevokeOperator(MANAGER, "old.eth"), RevokePermit(PERMIT2, USDC, "0x12"), RevokeToken(MANAGER, -1)):
        with pytest.raises(UnknownCall):
            registry.encode(action, ACCOUNT)


def test_an_event_that_grants_says_what_and_one_that_takes_back_says_nothing() -> None:
    of_operator = [grants.APPROVAL_FOR_ALL_TOPIC, OWNER, OWNER]
    assert grants.granted(of_operator, (1).to_bytes(32, "big")) == "an operator's approval"
    assert grants.granted(of_operator, bytes(32)) == ""
    assert grants.granted(of_operator, b"") == "an operator's approval"
    within = [grants.PERMIT2_APPROVAL_TOPIC, OWNER, OWNER, OWNER]
    assert grants.granted(within, bytes(31) + b"\x01" + bytes(32)) == "an allowance within"
    assert grants.granted(within, bytes(64)) == ""
    assert grants.granted([grants.PERMIT2_PERMIT_TOPIC, OWNER, OWNER, OWNER], bytes(96)) == "a signed allowance within"
    of_token = [erc20.APPROVAL_TOPIC, OWNER, OWNER, bytes(32)]
    assert grants.granted(of_token, b"") == "an approval of a single token"
    assert grants.granted([*of_token[:2], bytes(32), OWNER], b"") == ""


def test_an_allowance_and_a_movement_are_no_such_event() -> None:
    assert grants.granted([erc20.APPROVAL_TOPIC, OWNER, OWNER], (5).to_bytes(32, "big")) is None
    assert grants.granted([erc20.TRANSFER_TOPIC, OWNER, OWNER], (5).to_bytes(32, "big")) is None


def test_a_deployment_file_names_permit2_or_none_and_nothing_else() -> None:
    content = {
        "chain_id": 31_337,
        "name": "tests",
        "multicall": "0x" + "ca" * 20,
        "assets": [{"symbol": "USDC", "address": USDC.address, "decimals": 6}],
        "markets": [],
        "code": {},
    }
    assert registry.deployment_from(content).permit2 is None
    assert registry.deployment_from({**content, "permit2": PERMIT2.upper().replace("0X", "0x")}).permit2 == PERMIT2
    with pytest.raises(SettingsError, match="no address"):
        registry.deployment_from({**content, "permit2": "permit2"})
