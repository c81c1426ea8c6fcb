"""Two wallets over one store: what one judged before the other moved is judged again before it is signed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Borrow, Plan
from strategies.errors import NonceGap, NotApproved
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan, yes
from wallets import evidence

pytestmark = pytest.mark.chain
LIMITS: dict[str, Any] = {"borrow_markets": ("aave-core:USDC",), "min_health_factor_bps": 15_000}


@contextmanager
def between(act: Callable[[], object]) -> Iterator[None]:
    """Something happens once, after the first case is gathered and before it is judged."""
    real, acted = evidence.gather, list[object]()

    def gather(*given: Any) -> Any:
        case = real(*given)
        if not acted:
            acted.append(None)
            acted.append(act())
        return case

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "gather", gather)
        yield


# Without `_refuse_if_moved` in wallets/sending.py both borrow, and the health factor is 1.33.
def test_two_wallets_never_borrow_together_below_a_floor_that_each_keeps(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path, **LIMITS) as one, bench(chain, tmp_path, **LIMITS) as other:
        opening = one.approved(supply_plan(chain, 20_000), "opening")
        assert one.wallet.execute(opening, yes(opening)).complete
        block = chain.devnet.node.latest()[0]
        plan = Plan((Borrow(chain.market("aave-core:USDC"), chain.usdc(6_000)),), block, "to borrow")
        first, second = one.approved(plan, "first"), other.approved(plan, "second")
        with between(lambda: one.wallet.execute(first, yes(first))), pytest.raises(NonceGap):
            other.wallet.execute(second, yes(second))
        receipt = other.wallet.execute(second, yes(second))
        assert not receipt.complete
        assert "health" in receipt.note
        assert receipt.transactions == ()
    assert chain.balance_raw(ACCOUNT) == (100_000 - 20_000 + 6_000) * 10**6


def test_what_nobody_moved_under_is_signed(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path, **LIMITS) as one, between(lambda: None):
        approved = one.approved(supply_plan(chain), "one")
        assert one.wallet.execute(approved, yes(approved)).complete
        with pytest.raises(NotApproved):
            one.wallet.execute_remembered("two", approved.digest, yes(approved))
