"""What a role on a Safe may do, derived from the policy and from what the adapters write: of each function of each listed market,
what every word of its call must be. Leaves out, by name, an action with a word that it cannot explain, such as two calls inside
of one; refuses to spend an asset without a stated price.

Each action is written for some numbers, for others, and for another account. A word that stays is pinned, one that follows the
account is the Safe, one that follows a number is free, or bounded where it leaves the account: a new protocol joins by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from strategies.domain import (
    NATIVE,
    AddLiquidity,
    Address,
    Amount,
    Asset,
    Borrow,
    Deployment,
    MarketAction,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Wrap,
)
from strategies.errors import SettingsError, UnknownCall
from strategies.protocols import erc20, grants
from strategies.protocols.adapter import ADDRESS, UINT256, Call
from strategies.protocols.registry import encode
from wallets.policy import Policy, SafeAccount
from wallets.specimens import Made, specimens

NOBODY: Final[Address] = "0x" + b"usufruct: nobody's..".hex()  # an account that no key opens
FIRST_NUMBER: Final = 1_000  # above flags, counts and places; as many apart as an action never has; below the last tick
PLACES: Final = 100
CENTS: Final = 100  # of a dollar


@dataclass(frozen=True, slots=True)
class Exactly:
    """This very word."""

    word: bytes


@dataclass(frozen=True, slots=True)
class TheSafe:
    """The account itself."""


@dataclass(frozen=True, slots=True)
class Anything:
    """A number that takes nothing away: of a claim or a debt, a place, a time, a least outcome."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """What may be taken at one time."""

    asset: Asset
    raw: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What leaves at one time, counted against the day's."""

    asset: Asset
    most_raw: int


Word: TypeAlias = Exactly | TheSafe | Anything | AtMost | Spent


@dataclass(frozen=True, slots=True)
class Inside:
    """A list of one call, as a multicall carries it."""

    selector: bytes
    words: tuple[Word, ...]


Bound: TypeAlias = Word | Inside


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a function's call: its words, the native coin if it carries that, and what it is for."""

    words: tuple[Bound, ...]
    carries: Asset | None
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """One function of one contract, in any of its forms."""

    target: Address
    selector: bytes
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class DayLimit:
    """What may be spent of one asset a day."""

    asset: Asset
    raw: int


@dataclass(frozen=True, slots=True)
class Role:
    """All that a role may do; anything else it may not. `left_out` names what the policy allows and no condition could hold."""

    name: str
    permissions: tuple[Permission, ...]
    day_limits: tuple[DayLimit, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A variant of a function, and where the function is."""

    target: Address
    selector: bytes
    variant: Variant


def derive(policy: Policy, deployment: Deployment) -> Role:
    """The role of a policy. Raises SettingsError where the policy names no Safe or states no price of what it would spend."""
    safe = safe_of(policy)
    found: dict[tuple[Address, bytes], list[Variant]] = {}
    written, left_out = _written(policy, safe, deployment)
    for form in (*written, *_of_tokens(policy, safe, deployment), *_of_grants(deployment)):
        place = form.target, form.selector
        found[place] = _with(found.get(place, []), form.variant)
    if deployment.permit2 is not None:
        left_out += ("Lockdown: no condition can hold a list of any length; what it ends is ended pair by pair",)
    permissions = tuple([Permission(target, selector, tuple(found[target, selector])) for target, selector in sorted(found)])
    spent = {asset.symbol: asset for permission in permissions for asset in _spent_by(permission)}
    limits = [DayLimit(spent[symbol], limit_raw_down(safe, spent[symbol], policy.max_day_usd)) for symbol in sorted(spent)]
    return Role(safe.role, permissions, tuple(limits), left_out)


def safe_of(policy: Policy) -> SafeAccount:
    """The policy's Safe. Raises SettingsError."""
    if policy.safe is None:
        raise SettingsError("the policy has no table [policy.safe]: its account is its key's own, and no Safe")
    return policy.safe


def limit_raw_down(safe: SafeAccount, asset: Asset, usd: int) -> int:
    """So many dollars of an asset at its stated price, in base units. Raises SettingsError."""
    cents = next((price.cents for price in safe.prices if price.symbol == asset.symbol), None)
    if cents is None:
        raise SettingsError(f"policy.safe.prices states no price of {asset.symbol}, which the role would spend: add one")
    return int(usd * CENTS * 10**asset.decimals // cents)


def _spent_by(permission: Permission) -> Iterator[Asset]:
    for variant in permission.variants:
        yield from [word.asset for word in every_word(variant) if isinstance(word, Spent)]
        if variant.carries is not None:
            yield variant.carries


def every_word(variant: Variant) -> Iterator[Word]:
    """The words of a call, and of the one inside."""
    for bound in variant.words:
        yield from bound.words if isinstance(bound, Inside) else (bound,)


def _with(known: Sequence[Variant], variant: Variant) -> list[Variant]:
    """Variants and one more; what another covers is folded into that one."""
    kept: list[Variant] = []
    for one in known:
        purposes = tuple(dict.fromkeys((*one.purposes, *variant.purposes)))
        if _covers(one, variant):
            variant = replace(one, purposes=purposes)
        elif _covers(variant, one):
            variant = replace(variant, purposes=purposes)
        else:
            kept.append(one)
    return [*kept, variant]


def _covers(wide: Variant, narrow: Variant) -> bool:
    """Whether all that the narrow one lets pass, the wide one does too. Raises SettingsError where it would let pass uncounted
    what the narrow one counts."""
    if len(wide.words) != len(narrow.words) or wide.carries != narrow.carries:
        return False
    pairs = list(zip(wide.words, narrow.words, strict=True))
    if not all(one == other or isinstance(one, Anything) for one, other in pairs):
        return False
    if any(isinstance(one, Anything) and isinstance(other, Spent) for one, other in pairs):
        raise SettingsError(f"a role cannot count what is spent: {' and '.join((*wide.purposes, *narrow.purposes))} are one call")
    return True


def _written(policy: Policy, safe: SafeAccount, deployment: Deployment) -> tuple[tuple[Form, ...], tuple[str, ...]]:
    """Every call of every action, and what could not be derived."""
    listed = [market for market in deployment.markets if market.id in policy.markets]
    forms: list[Form] = []
    left_out: list[str] = []
    for market in listed:
        for made in specimens(market, listed, policy.borrow_markets):
            try:
                forms += _Writing(policy, safe, made).forms()
            except _UnderivableError as error:
                left_out.append(str(error))
    return tuple(forms), tuple(left_out)


def _of_tokens(policy: Policy, safe: SafeAccount, deployment: Deployment) -> Iterator[Form]:
    """What ends allowances, and what goes to the treasury."""
    priced = {price.symbol for price in safe.prices}
    for asset in deployment.assets:
        if asset.address == NATIVE:
            continue
        ended = Variant((Anything(), Exactly(bytes(32))), None, (f"end an allowance of {asset.symbol}",))
        yield Form(asset.address, erc20.APPROVE.selector, ended)
        if policy.treasury is not None and asset.symbol in priced:
            words = Exactly(ADDRESS.pack(policy.treasury)), Spent(asset, limit_raw_down(safe, asset, policy.max_transaction_usd))
            yield Form(asset.address, erc20.TRANSFER.selector, Variant(words, None, (f"send {asset.symbol} to the treasury",)))


def _of_grants(deployment: Deployment) -> Iterator[Form]:
    """What takes back what others may besides allowances of tokens."""
    nothing, nobody = Exactly(bytes(32)), Exactly(ADDRESS.pack(grants.NOBODY))
    for collection in sorted(grants.collections(deployment)):
        ended = Variant((Anything(), nothing), None, (f"end an operator of {collection}",))
        yield Form(collection, grants.SET_APPROVAL_FOR_ALL.selector, ended)
        ended = Variant((nobody, Anything()), None, (f"end who may act for a token of {collection}",))
        yield Form(collection, grants.APPROVE_TOKEN.selector, ended)
    if deployment.permit2 is not None:
        for asset in deployment.assets:
            if asset.address != NATIVE:
                words = Exactly(ADDRESS.pack(asset.address)), Anything(), nothing, nothing
                ended = Variant(words, None, (f"end an allowance of {asset.symbol} within {deployment.permit2}",))
                yield Form(deployment.permit2, grants.PERMIT2_APPROVE.selector, ended)


class _UnderivableError(Exception):
    """An action that no condition of a role can hold, and why."""


class _Writing:
    """One action written for some numbers, for others, and for another account."""

    __slots__ = ("_action", "_other", "_policy", "_safe", "_spent")

    def __init__(self, policy: Policy, safe: SafeAccount, made: Made) -> None:
        self._policy, self._safe = policy, safe
        self._action, self._other = made(lambda place: _number(1, place)), made(lambda place: _number(2, place))
        both = zip(_spends(self._action), _spends(self._other), strict=True)
        self._spent = {(first.raw, second.raw): first.asset for first, second in both}

    def forms(self) -> tuple[Form, ...]:
        """The action's calls by what their words follow; nothing where no adapter writes it. Raises _UnderivableError."""
        account = self._policy.account
        try:
            written = [encode(self._action, account), encode(self._other, account), encode(self._action, NOBODY)]
        except UnknownCall:
            return ()
        if len({tuple([(call.target, call.data[:4], len(call.data)) for call in calls]) for calls in written}) > 1:
            raise self._underivable("what is called follows the account or an amount")
        return tuple([self._form(*calls) for calls in zip(*written, strict=True)])

    def _form(self, ours: Call, others: Call, theirs: Call) -> Form:
        variant = Variant(self._words(ours, others, theirs), self._carried(ours, others), (purpose(self._action),))
        if variant.carries is not None and any(isinstance(word, Spent) for word in every_word(variant)):
            raise self._underivable("no condition can hold the value that its call carries to the amount inside")
        return Form(ours.target, ours.data[:4], variant)

    def _words(self, *written: Call) -> tuple[Bound, ...]:
        """What the words of a call must be, and those of the one call inside, if there is one."""
        opened = [found for call in written if (found := _opened(call.data)) is not None]
        if len(opened) < len(written):
            words = self._bounds([call.data for call in written])
            if written[0].data[:4] == erc20.APPROVE.selector:  # what an allowance is for is counted when it is taken
                return tuple([AtMost(word.asset, word.most_raw) if isinstance(word, Spent) else word for word in words])
            return words
        inside = [data for _, data in opened]
        return *self._bounds([head for head, _ in opened]), Inside(inside[0][:4], self._bounds(inside))

    def _bounds(self, written: Sequence[bytes]) -> tuple[Word, ...]:
        return tuple([self._bound(*words) for words in zip(*[_words(data) for data in written], strict=True)])

    def _bound(self, word: bytes, other: bytes, foreign: bytes) -> Word:
        """What a word must be."""
        if word == other == foreign and len(word) == 32:
            return Exactly(word)
        if word == other and (word, foreign) == (ADDRESS.pack(self._policy.account), ADDRESS.pack(NOBODY)):
            return TheSafe()
        numbers = int.from_bytes(word, "big"), int.from_bytes(other, "big")
        if word != foreign or len(word) != 32 or numbers not in _NUMBERS:
            raise self._underivable(f"no condition can hold the word 0x{word.hex()} of its call")
        asset = self._spent.get(numbers)
        return Anything() if asset is None else Spent(asset, limit_raw_down(self._safe, asset, self._policy.max_transaction_usd))

    def _carried(self, call: Call, other: Call) -> Asset | None:
        """The native coin, where that is what the action spends."""
        if call.value_wei == other.value_wei == 0:
            return None
        asset = self._spent.get((call.value_wei, other.value_wei))
        if asset is None or asset.address != NATIVE:
            raise self._underivable("its call carries a value that is not what it spends")
        return asset

    def _underivable(self, why: str) -> _UnderivableError:
        return _UnderivableError(f"{purpose(self._action)}: {why}")


def _number(writing: int, place: int) -> int:
    return writing * FIRST_NUMBER + place


_NUMBERS: Final = {(_number(1, place), _number(2, place)) for place in range(PLACES)}


def _words(data: bytes) -> list[bytes]:
    return [data[start : start + 32] for start in range(4, len(data), 32)]


def _opened(data: bytes) -> tuple[bytes, bytes] | None:
    """A call's selector and the words before its last argument, where that is a list of one call; and that call."""
    for at, word in enumerate(_words(data)):
        start = 4 + int.from_bytes(word, "big")
        if start != 36 + 32 * at:
            continue
        size = int.from_bytes(data[start + 64 : start + 96], "big")
        listed = UINT256.pack(1) + UINT256.pack(32) + UINT256.pack(size) + data[start + 96 : start + 96 + size]
        if size % 32 == 4 and data[start:] == listed + bytes(28):
            return data[: start - 32], data[start + 96 : start + 96 + size]
    return None


def _spends(action: MarketAction) -> tuple[Amount, ...]:
    """What leaves the account, and what is borrowed."""
    match action:
        case Supply(amount=amount) | Borrow(amount=amount) | Stake(amount=amount):
            return (amount,)
        case Swap(amount_in=amount) | SwapFor(most_in=amount):
            return (amount,)
        case AddLiquidity(most=most):
            return most
        case Wrap(amount=amount) if amount.asset.address == NATIVE:  # a role counts whatever value goes along
            return (amount,)
        case _:
            return ()


def purpose(action: MarketAction) -> str:
    """What an action is, as a person reads it."""
    kind, place = type(action).__name__, action.market.id
    match action:
        case Swap(amount_in=given, least_out=taken, via=via):
            pools = ", ".join([market.id for market in (action.market, *via)])
            return f"{kind} {given.asset.symbol} for {taken.asset.symbol} in {pools}"
        case SwapFor(most_in=given, amount_out=taken):
            return f"{kind} {given.asset.symbol} for {taken.asset.symbol} in {place}"
        case _:
            amount = getattr(action, "amount", None)
            return f"{kind} {amount.asset.symbol} {place}" if isinstance(amount, Amount) else f"{kind} {place}"
