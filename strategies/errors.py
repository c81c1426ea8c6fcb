"""Every error, one tree. Refusals are values; an exception is a broken fact, named for what is wrong.

UsufructError
├─ ObservationError   StaleReading · IncompleteRead · PriceDisagreement · BadTape
├─ ProtocolError      UnknownCall · UnknownMarket · UnsupportedState · InsufficientLiquidity · InsufficientBalance · ActionRefused
├─ PlanError          UnbalancedTarget · UnreachableTarget · UnknownName
├─ WalletError        NotApproved · WrongChain · NonceGap · SimulationUnavailable · SimulationReverted · TransactionReverted
│                     · ReceiptTimeout · KeystoreUnreadable · KeeperUnreachable · StoreUnwritable
│                     · EndpointUnusable · EndpointRefused · MalformedRecord · KeeperEnding
├─ LedgerError        UnbalancedEntry · LedgerMismatch
└─ SettingsError      what a person must change before anything starts
"""

from typing import Final


class UsufructError(Exception):
    """Anything this project raises on purpose."""


class ObservationError(UsufructError):
    """What was read cannot be trusted."""


class StaleReading(ObservationError):
    def __init__(self, *, age_seconds: int, limit_seconds: int) -> None:
        super().__init__(f"the reading is {age_seconds} s old; at most {limit_seconds} s is allowed")
        self.age_seconds: Final = age_seconds
        self.limit_seconds: Final = limit_seconds


class IncompleteRead(ObservationError):
    def __init__(self, what: str) -> None:
        super().__init__(f"the read is incomplete: {what}")
        self.what: Final = what


class PriceDisagreement(ObservationError):
    def __init__(self, *, symbol: str, one_usd_e8: int, other_usd_e8: int, limit_bps: int) -> None:
        super().__init__(f"two prices of {symbol} differ by more than {limit_bps} bps: {one_usd_e8} and {other_usd_e8} (1e8)")
        self.symbol: Final = symbol
        self.one_usd_e8: Final = one_usd_e8
        self.other_usd_e8: Final = other_usd_e8
        self.limit_bps: Final = limit_bps


class BadTape(ObservationError):
    def __init__(self, what: str) -> None:
        super().__init__(f"the tape is unusable: {what}")
        self.what: Final = what


class ProtocolError(UsufructError):
    """A protocol would not do this, or this file does not know how it would."""


class UnknownCall(ProtocolError):
    def __init__(self, what: str) -> None:
        super().__init__(f"no adapter can write this call: {what}")
        self.what: Final = what


class UnknownMarket(ProtocolError):
    def __init__(self, market_id: str) -> None:
        super().__init__(f"market {market_id} is not in the deployment")
        self.market_id: Final = market_id


class UnsupportedState(ProtocolError):
    def __init__(self, *, market_id: str, what: str) -> None:
        super().__init__(f"market {market_id} is in a state this adapter refuses: {what}")
        self.market_id: Final = market_id
        self.what: Final = what


class InsufficientLiquidity(ProtocolError):
    def __init__(self, *, market_id: str, wanted_raw: int, available_raw: int) -> None:
        super().__init__(f"market {market_id} has {available_raw} base units to give; {wanted_raw} are wanted")
        self.market_id: Final = market_id
        self.wanted_raw: Final = wanted_raw
        self.available_raw: Final = available_raw


class InsufficientBalance(ProtocolError):
    def __init__(self, *, what: str, wanted_raw: int, available_raw: int) -> None:
        super().__init__(f"{what}: {wanted_raw} base units are wanted, {available_raw} are there")
        self.what: Final = what
        self.wanted_raw: Final = wanted_raw
        self.available_raw: Final = available_raw


class ActionRefused(ProtocolError):
    def __init__(self, *, market_id: str, why: str) -> None:
        super().__init__(f"the contract of {market_id} would revert: {why}")
        self.market_id: Final = market_id
        self.why: Final = why


class PlanError(UsufructError):
    """What is wanted cannot be written as a plan."""


class UnbalancedTarget(PlanError):
    def __init__(self, sum_wad: int) -> None:
        super().__init__(f"the weights of a target sum to {sum_wad}, not 1e18")
        self.sum_wad: Final = sum_wad


class UnreachableTarget(PlanError):
    def __init__(self, why: str) -> None:
        super().__init__(f"the target cannot be reached: {why}")
        self.why: Final = why


class UnknownName(PlanError):
    def __init__(self, *, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{name!r} is no {kind}; known: {', '.join(known)}")
        self.kind: Final = kind
        self.name: Final = name
        self.known: Final = known


class WalletError(UsufructError):
    """Value did not move, or must not."""


class NotApproved(WalletError):
    def __init__(self, why: str, rule: str = "approval") -> None:
        super().__init__(f"not approved: {why}")
        self.why: Final = why
        self.rule: Final = rule  # which of the wallet's rules says no


class WrongChain(WalletError):
    def __init__(self, *, expected_chain_id: int, found_chain_id: int) -> None:
        super().__init__(f"the endpoint serves chain {found_chain_id}; the settings name chain {expected_chain_id}")
        self.expected_chain_id: Final = expected_chain_id
        self.found_chain_id: Final = found_chain_id


class NonceGap(WalletError):
    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"the chain's next nonce is {found}; the store expects {expected}")
        self.expected: Final = expected
        self.found: Final = found


class SimulationUnavailable(WalletError):
    def __init__(self, why: str) -> None:
        super().__init__(f"no simulation, no signature: {why}")
        self.why: Final = why


class SimulationReverted(WalletError):
    def __init__(self, *, index: int, why: str) -> None:
        super().__init__(f"call {index} reverts in simulation: {why}")
        self.index: Final = index
        self.why: Final = why


class TransactionReverted(WalletError):
    def __init__(self, *, transaction_hash: str) -> None:
        super().__init__(f"transaction {transaction_hash} was mined and reverted")
        self.transaction_hash: Final = transaction_hash


class ReceiptTimeout(WalletError):
    def __init__(self, *, transaction_hash: str, waited_seconds: int) -> None:
        super().__init__(f"no receipt of {transaction_hash} after {waited_seconds} s; it may still be mined")
        self.transaction_hash: Final = transaction_hash
        self.waited_seconds: Final = waited_seconds


class KeystoreUnreadable(WalletError):
    def __init__(self, *, path: str, why: str) -> None:
        super().__init__(f"the key file {path} cannot be used: {why}")
        self.path: Final = path
        self.why: Final = why


class KeeperUnreachable(WalletError):
    def __init__(self, *, socket: str, why: str) -> None:
        super().__init__(f"no keeper answers at {socket}: {why}")
        self.socket: Final = socket
        self.why: Final = why


class StoreUnwritable(WalletError):
    def __init__(self, why: str) -> None:
        super().__init__(f"the store cannot be written, so nothing is signed: {why}")
        self.why: Final = why


class EndpointUnusable(WalletError):
    def __init__(self, *, endpoint: str, why: str) -> None:
        super().__init__(f"the endpoint {endpoint} gave no usable answer: {why}")
        self.endpoint: Final = endpoint
        self.why: Final = why


class EndpointRefused(WalletError):
    def __init__(self, *, endpoint: str, method: str, code: int, why: str) -> None:
        super().__init__(f"the endpoint {endpoint} refused {method} with {code}: {why}")
        self.endpoint: Final = endpoint
        self.method: Final = method
        self.code: Final = code
        self.why: Final = why


class MalformedRecord(WalletError):
    def __init__(self, *, kind: str, why: str) -> None:
        super().__init__(f"this text is no {kind}: {why}")
        self.kind: Final = kind
        self.why: Final = why


class KeeperEnding(WalletError):
    def __init__(self, intent: str) -> None:
        super().__init__(f"the keeper is ending and signs nothing more; it takes intent {intent} up again when it is back")
        self.intent: Final = intent


class LedgerError(UsufructError):
    """The books do not balance."""


class UnbalancedEntry(LedgerError):
    def __init__(self, *, symbol: str, sum_raw: int) -> None:
        super().__init__(f"an entry's legs in {symbol} sum to {sum_raw}, not 0")
        self.symbol: Final = symbol
        self.sum_raw: Final = sum_raw


class LedgerMismatch(LedgerError):
    def __init__(self, *, account: str, symbol: str, booked_raw: int, found_raw: int) -> None:
        super().__init__(f"{account} holds {found_raw} of {symbol} on the chain; {booked_raw} are booked")
        self.account: Final = account
        self.symbol: Final = symbol
        self.booked_raw: Final = booked_raw
        self.found_raw: Final = found_raw


class SettingsError(UsufructError):
    """A setting is missing, unknown or dangerous; the message says which and what to write instead."""
