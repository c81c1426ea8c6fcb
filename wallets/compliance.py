"""What an operator declares about the law they are under, and the tables that follow from it: jurisdictions, profiles, classes of
assets. Refuses a country that does not exist, a profile that is not known, and a reason that gives none.

This is engineering, not legal advice: whether a table fits somebody's law is for that person to find out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints

from strategies.domain import CLASSES, Asset, Deployment
from strategies.errors import SettingsError
from wallets.figures import FROZEN, NONE, Positive


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ISO 3166-1, officially assigned alpha-2 codes.
COUNTRIES: Final = _words(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
    CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG
    GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR
    KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF
    NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM
    SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
    YT ZA ZM ZW"""
)
EUROPEAN_UNION: Final = _words("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK")
# Mainland China; Hong Kong, Macao and Taiwan have codes of their own. People's Bank of China and nine other bodies, notice of
# 15 September 2021 on the risks of trading in virtual currencies: services for it are illegal financial activities.
NEVER_LIVE: Final = frozenset({"CN"})

# A profile denies assets by symbol, in upper case. EU: Regulation (EU) 2023/1114 (MiCA), titles III and IV, and ESMA's statement
# of 17 January 2025 on tokens whose issuers are not authorised under it; they may still be sold. Tether's dollar, in the forms in
# which it is listed.
PROFILES: Final[Mapping[str, frozenset[str]]] = {
    NONE: frozenset(),
    "EU": frozenset({"USDT", "USDT0", "USD₮", "USD₮0", "USDT.E", "BSC-USD"}),
}

OPEN, RMB, REAL_WORLD = CLASSES
# Symbols in upper case, as the issuers write them. Pegged to the renminbi, onshore or offshore: CNHC (CNHC Group, now Trust
# Reserve), AxCNH (AnchorX), CNHT (Tether), CNHO (OffshoreDAO), bitCNY (BitShares), TCNH (TrueToken), and names close to them.
_RMB_SYMBOLS: Final = _words("CNHC AXCNH CNHT CNH₮ CNHO CNHX CNYT CNYX CNYC BCNH BITCNY QCNY TCNH XCNH ZCNH DCNY E-CNY ECNY")
# Funds, notes and metals off the chain: BlackRock, Ondo, Superstate, Franklin Templeton, Circle (Hashnote), OpenEden, WisdomTree,
# Mountain, Matrixdock, Spiko, Backed, Centrifuge (Anemoy, Janus Henderson), Paxos, Tether, VanEck, Apollo, Hamilton Lane.
_REAL_WORLD_SYMBOLS: Final = _words(
    "BUIDL BUIDL-I SBUIDL OUSG ROUSG USDY RUSDY USTB USCC UUSTB BENJI IBENJI FOBXX USYC TBILL WTGXX WUSDM STBT MTBILL "
    "USTBL EUTBL BIB01 BIBTA BC3M BCSPX JTRSY JAAA DEJTRSY DEJAAA PAXG XAUT XAUT0 VBILL ACRED AAPLX TSLAX SPYX NVDAX"
)
BY_SYMBOL: Final[Mapping[str, str]] = dict.fromkeys(_RMB_SYMBOLS, RMB) | dict.fromkeys(_REAL_WORLD_SYMBOLS, REAL_WORLD)

MIN_REASON_CHARACTERS: Final = 20


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError('write the ISO 3166-1 code of your country in two capital letters, such as "CH"')
    return code


def _profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError(f"write one of: {', '.join(PROFILES)}")
    return name


def _reason(text: str) -> str:
    if text != NONE and (len(text.strip()) < MIN_REASON_CHARACTERS or not text.isprintable()):
        raise ValueError(f'write "{NONE}", or why you may hold such assets, in at least {MIN_REASON_CHARACTERS} characters')
    return text


def _absent(value: object) -> object:
    return None if value == NONE else value


Symbol = Annotated[str, StringConstraints(pattern=r"^\S{1,32}$")]


class Compliance(BaseModel):
    """What a person declares, and denies beyond the tables."""

    model_config = FROZEN
    jurisdiction: Annotated[str, AfterValidator(_country)]  # where whoever answers for the wallet is
    profile: Annotated[str, AfterValidator(_profile)]
    denied_assets: tuple[Symbol, ...]  # symbols denied besides the profile's
    real_world_assets: Annotated[str, StringConstraints(max_length=300), AfterValidator(_reason)]  # "none": off
    screening: Annotated[Path | None, BeforeValidator(_absent)]  # the list's file; "none": on the local chain only
    max_screening_age_seconds: Positive


def refuse_never_live(compliance: Compliance) -> None:
    """Before a key is touched. Raises SettingsError where the declared jurisdiction leaves backtest and paper only."""
    if why := never_live(compliance):
        raise SettingsError(f"policy.compliance.jurisdiction: {why}")


def never_live(compliance: Compliance) -> str:
    """Why nothing may be signed at all; empty where it may."""
    if compliance.jurisdiction not in NEVER_LIVE:
        return ""
    return f"in {compliance.jurisdiction} this program runs backtests and paper only, and loads no key; use paper mode"


def class_of(asset: Asset, deployment: Deployment) -> str:
    """What the deployment says an asset is, else what its symbol is known for. A symbol can be anybody's, so the deployment may
    call an address open that is only named like a real-world asset; a name of the renminbi stands."""
    known = BY_SYMBOL.get(asset.symbol.upper(), OPEN)
    return known if known == RMB else deployment.classes.get(asset.address, known)


def why_denied(asset: Asset, deployment: Deployment, compliance: Compliance) -> str:
    """Why nothing new may go into an asset, and what would change it; empty where it may."""
    kind = class_of(asset, deployment)
    if kind == RMB:
        return "it is a stablecoin of the renminbi, which this program never acquires"
    if kind == REAL_WORLD and compliance.real_world_assets == NONE:
        return "it stands for an asset off the chain; policy.compliance.real_world_assets would have to give a reason"
    called = {asset.symbol.upper(), deployment.families.get(asset.address, asset.symbol).upper()}
    if called & PROFILES[compliance.profile]:
        return f"the profile {compliance.profile} denies it; what is held may only leave"
    if called & {symbol.upper() for symbol in compliance.denied_assets}:
        return "policy.compliance.denied_assets lists it; what is held may only leave"
    return ""
