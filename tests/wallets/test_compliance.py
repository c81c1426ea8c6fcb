"""What a person declares is something, and what the tables say follows from it."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from strategies.domain import CLASSES, Asset, Deployment
from strategies.errors import SettingsError
from tests import worlds
from wallets.compliance import (
    BY_SYMBOL,
    COUNTRIES,
    EUROPEAN_UNION,
    NEVER_LIVE,
    PROFILES,
    REAL_WORLD,
    RMB,
    Compliance,
    class_of,
    never_live,
    refuse_never_live,
    why_denied,
)

REASON = "the fund's transfer agent has listed this wallet"


def declared(**changes: object) -> Compliance:
    return Compliance.model_validate(worlds.TABLES["compliance"] | changes)


def asset(symbol: str, byte: str = "77") -> Asset:
    return Asset(worlds.CHAIN, "0x" + byte * 20, symbol, 6)


def where(**changes: object) -> Deployment:
    return replace(worlds.DEPLOYMENT, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(Compliance.model_fields))
def test_every_part_of_the_declaration_is_required(name: str) -> None:
    content = {key: value for key, value in worlds.TABLES["compliance"].items() if key != name}
    with pytest.raises(ValidationError, match="Field required"):
        Compliance.model_validate(content)


@pytest.mark.parametrize("code", ["", "C", "cn", "CHE", "UK", "EU", "XX", "ZZ", "C H", "CN "])
def test_a_country_that_does_not_exist_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="ISO 3166-1"):
        declared(jurisdiction=code)


def test_the_tables_name_countries_that_exist() -> None:
    assert len(COUNTRIES) == 249
    assert len(EUROPEAN_UNION) == 27
    assert EUROPEAN_UNION | NEVER_LIVE <= COUNTRIES
    assert {symbol.upper() for symbol in (*BY_SYMBOL, *PROFILES["EU"])} == {*BY_SYMBOL, *PROFILES["EU"]}
    assert {RMB, REAL_WORLD} < set(CLASSES)


@pytest.mark.parametrize("reason", ["", "yes", "x" * 19, " " * 30, "a reason\nof two lines that is long", "x" * 301])
def test_a_reason_that_gives_none_is_refused(reason: str) -> None:
    with pytest.raises(ValidationError):
        declared(real_world_assets=reason)
    assert declared(real_world_assets=REASON).real_world_assets == REASON


def test_mainland_china_never_signs_and_hong_kong_macao_and_taiwan_do() -> None:
    with pytest.raises(SettingsError, match="backtests and paper only, and loads no key"):
        refuse_never_live(declared(jurisdiction="CN"))
    for code in ("HK", "MO", "TW", "CH", "DE", "US"):
        refuse_never_live(declared(jurisdiction=code))
        assert never_live(declared(jurisdiction=code)) == ""


@pytest.mark.parametrize("symbol", ["CNHC", "AxCNH", "CNHT", "cnht", "CNH₮"])
def test_a_stablecoin_of_the_renminbi_is_denied_whatever_is_declared(symbol: str) -> None:
    one = asset(symbol)
    for compliance in (declared(), declared(jurisdiction="HK", real_world_assets=REASON)):
        assert "stablecoin of the renminbi" in why_denied(one, where(), compliance)
    assert "stablecoin of the renminbi" in why_denied(one, where(classes={one.address: "open"}), declared())
    assert "stablecoin of the renminbi" in why_denied(asset("ANY"), where(classes={one.address: RMB}), declared())


@pytest.mark.parametrize("symbol", ["BUIDL", "USDY", "OUSG", "USTB", "PAXG"])
def test_a_real_world_asset_is_denied_until_a_reason_is_given(symbol: str) -> None:
    one = asset(symbol)
    assert "policy.compliance.real_world_assets would have to give a reason" in why_denied(one, where(), declared())
    assert why_denied(one, where(), declared(real_world_assets=REASON)) == ""
    assert "asset off the chain" in why_denied(asset("ANY"), where(classes={one.address: REAL_WORLD}), declared())


def test_an_asset_that_is_only_called_like_a_real_world_asset_may_be_called_open() -> None:
    one = asset("BENJI")
    assert class_of(one, where()) == REAL_WORLD
    assert why_denied(one, where(classes={one.address: "open"}), declared()) == ""


@pytest.mark.parametrize("symbol", ["USDT", "usdt", "USD₮0"])
def test_the_european_profile_denies_tethers_dollar_and_no_profile_does_not(symbol: str) -> None:
    assert "the profile EU denies it" in why_denied(asset(symbol), where(), declared(profile="EU"))
    assert why_denied(asset(symbol), where(), declared()) == ""
    assert why_denied(asset("USDC"), where(), declared(profile="EU")) == ""


def test_a_form_of_a_denied_asset_is_denied_with_it() -> None:
    bridged = asset("bUSD-T")
    assert "the profile EU denies it" in why_denied(bridged, where(families={bridged.address: "USDT"}), declared(profile="EU"))
    assert why_denied(bridged, where(), declared(profile="EU")) == ""


def test_a_person_denies_what_they_like() -> None:
    assert "denied_assets lists it" in why_denied(asset("DAI"), where(), declared(denied_assets=("dai",)))
    assert why_denied(asset("DAI"), where(), declared(denied_assets=("DAIX",))) == ""
