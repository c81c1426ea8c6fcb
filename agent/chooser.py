"""Who chooses among the listed strategies and stances: the rule, or a language model, with the rule in its place on any doubt.

A model sees the table of assessments (ids and rounded figures) and answers with names from the menu and one sentence. Refused,
and answered by the rule instead: unlisted names, prose, extra keys, long answers, links, figures not in the table, silence."""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints

from strategies.catalogue import Menu, choose_by_score
from strategies.domain import Assessment, Choice
from strategies.tape import Observation
from wallets.policy import Positive

LONGEST_REASON: Final = 300
LONGEST_ANSWER: Final = 10_000
ANSWER_KEYS: Final = ("strategy", "stance", "reason")
# a quantity in words cannot be traced to the table; "one" and "first" are left to ordinary English
NUMBER_WORD: Final = re.compile(
    r"zero|two|three|four(teen)?|five|six(teen)?|seven(teen)?|eight(een)?|nine(teen)?|ten|eleven|twelve|thirteen|fifteen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|(hundred|thousand|million|billion|dozen|ten)s?"
    r"|half|halves|thirds?|quarters?|doubled?|tripled?|twice|thrice",
    re.IGNORECASE,
)
NAME: Final = re.compile(r"0x(?:[0-9a-f]{40}|[0-9a-f]{64})", re.IGNORECASE)  # an address or a hash says no quantity
# a reason is read by people later, and by their programs, which may follow a link
LINK: Final = re.compile(r"\w:/|//|\bwww\.|\]\(|\bdata:|\bjavascript:", re.IGNORECASE)
INSTRUCTIONS: Final = (
    "You choose how idle funds earn interest. You are given a table of lending markets, already assessed, and two lists of "
    "names. Answer with one strategy and one stance from the lists, and a reason of one or two short sentences. Prefer safety "
    "where the difference is small. The reason may quote figures of the table, exactly as they stand there, and no others."
)


class ModelSettings(BaseModel):
    """An OpenAI-compatible endpoint. The key comes by environment only."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    name: Annotated[str, StringConstraints(min_length=1)]
    api_key: SecretStr | None = None
    timeout_seconds: Positive
    max_tokens: Positive


@dataclass(frozen=True, slots=True)
class Choosing:
    """A choice, who made it, why the model did not, and what asking cost."""

    choice: Choice
    source: Literal["model", "rule"]
    note: str  # empty where nothing was doubted
    tokens: int


class Chooser(Protocol):
    """Chooses once a cycle. Never raises for a bad answer."""

    def choose(self, seen: Observation, assessments: Sequence[Assessment]) -> Choosing: ...


class RuleChooser:
    """The rule of the catalogue: no model, no chance."""

    __slots__ = ("_menu",)

    def __init__(self, menu: Menu) -> None:
        self._menu: Final = menu

    def choose(self, seen: Observation, assessments: Sequence[Assessment]) -> Choosing:
        return Choosing(choose_by_score(seen, self._menu, assessments), "rule", "", 0)


class ModelChooser:
    """A model that may choose from the menu; the rule whenever it does not."""

    __slots__ = ("_menu", "_rule", "_settings")

    def __init__(self, settings: ModelSettings, menu: Menu) -> None:
        self._settings: Final = settings
        self._menu: Final = menu
        self._rule: Final = RuleChooser(menu)

    def choose(self, seen: Observation, assessments: Sequence[Assessment]) -> Choosing:
        ruled = self._rule.choose(seen, assessments)
        names = tuple(name for name, _ in self._menu.strategies)
        if len(names) == len(self._menu.stances) == 1:
            return replace(ruled, note="the model was not asked: there is only one strategy and one stance")
        table = table_of(assessments)
        text, tokens, silence = _ask(self._settings, names, self._menu.stances, table)
        choice = silence or choice_of(text, names, self._menu.stances, table)
        if isinstance(choice, str):
            reason = f"{ruled.choice.reason}; chosen by rule, because {choice}"
            return Choosing(replace(ruled.choice, reason=reason), "rule", choice, tokens)
        return Choosing(choice, "model", "", tokens)


Row = Mapping[str, str]


def table_of(assessments: Sequence[Assessment]) -> tuple[Row, ...]:
    """All that a model sees: ids from the deployment and rounded figures, as text. No reason, address or foreign word enters."""
    return tuple(
        {
            "market": assessment.market.id,
            "usable": "no" if assessment.reasons else "yes",
            "net_apr_percent": _percent(assessment.net_apr),
            "supply_apr_percent": _percent(assessment.supply_apr),
            "utilisation_percent": _percent(assessment.utilisation),
            "withdrawable": str(assessment.withdrawable_raw // 10**assessment.market.asset.decimals),
            "asset": assessment.market.asset.symbol,
        }
        for assessment in assessments
    )


def untraced(reason: str, table: Sequence[Row]) -> tuple[str, ...]:
    """The figures of a reason that do not stand in the table, in order: digits, signs, and numbers written out. An address or a
    hash is a name, and nothing here looks names up."""
    ids = {row[key] for row in table for key in ("market", "asset")}
    for name in sorted(ids, key=len, reverse=True):
        reason = re.sub(rf"(?<![\w.:-]){re.escape(name)}(?![\w:-])", " ", reason)
    known = {value for row in table for cell in row.values() if (value := _number(cell)) is not None}
    tokens = (token.rstrip(".,") for token in re.findall(r"(?:(?<![\w.,)])[-−+])?[\w.,]+", reason))
    return tuple(token for token in tokens if _is_figure(token) and _number(token) not in known)


def _is_figure(token: str) -> bool:
    """Whether a word says a quantity, in any script."""
    if NAME.fullmatch(token):
        return False
    return bool(NUMBER_WORD.fullmatch(token)) or any(unicodedata.numeric(letter, None) is not None for letter in token)


def _number(token: str) -> Decimal | None:
    """A plain decimal, thousands separated by commas or not at all; None for anything cleverer."""
    if not re.fullmatch(r"[-−+]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?", token):
        return None
    return Decimal(token.replace(",", "").replace("−", "-"))


def _percent(share: float) -> str:
    return f"{share * 100:.2f}" if math.isfinite(share) else "unknown"


def choice_of(text: str, strategies: Sequence[str], stances: Sequence[str], table: Sequence[Row]) -> Choice | str:
    """A model's answer as a choice, or what is wrong with it. Its own words are quoted nowhere but in an accepted reason."""
    try:
        answer = json.loads(text, object_pairs_hook=_once) if len(text) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        answer = None
    if answer is None:
        return f"the model did not answer with one JSON object of at most {LONGEST_ANSWER} characters"
    if not isinstance(answer, dict) or sorted(answer) != sorted(ANSWER_KEYS):
        return f"the model's answer does not have the keys {', '.join(ANSWER_KEYS)} and no other"
    strategy, stance, reason = (answer[key] for key in ANSWER_KEYS)
    if strategy not in strategies or stance not in stances:
        return "the model named a strategy or stance that is not on the menu"
    doubt = _doubt(reason, table)
    return doubt or Choice(strategy, stance, reason.strip())


def _doubt(reason: object, table: Sequence[Row]) -> str:
    """What is wrong with a reason; empty where people may read it."""
    if not isinstance(reason, str) or not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        return f"the model's reason is not one line of at most {LONGEST_REASON} characters"
    if LINK.search(reason):
        return "the model's reason has a link"
    return "the model's reason has a figure that is not in the table" if untraced(reason, table) else ""


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys occur once; two readers could take different ones of a repeated key."""
    found = list(pairs)
    if len({key for key, _ in found}) != len(found):
        raise ValueError("a key occurs twice")
    return dict(found)


def _schema(strategies: Sequence[str], stances: Sequence[str]) -> dict[str, Any]:
    """The only shape of an answer. The reason's length is checked here, not there: strict schemas of some servers refuse it."""
    return {
        "title": "choice",
        "description": "A strategy and a stance from the lists, and why.",
        "type": "object",
        "properties": {
            "strategy": {"type": "string", "enum": list(strategies)},
            "stance": {"type": "string", "enum": list(stances)},
            "reason": {"type": "string", "description": f"at most {LONGEST_REASON} characters"},
        },
        "required": list(ANSWER_KEYS),
        "additionalProperties": False,
    }


def question_of(strategies: Sequence[str], stances: Sequence[str], table: Sequence[Row]) -> str:
    """All that a model is told besides the instructions."""
    question = {"markets": table, "strategies": list(strategies), "stances": list(stances)}
    return json.dumps(question, ensure_ascii=True, indent=1)


def _ask(
    settings: ModelSettings, strategies: Sequence[str], stances: Sequence[str], table: Sequence[Row]
) -> tuple[str, int, str]:
    """What the model wrote, the tokens it took, and why there is no answer (empty where there is one)."""
    import openai
    from langchain_core.messages import HumanMessage, SystemMessage
    from langsmith import tracing_context

    messages = [SystemMessage(INSTRUCTIONS), HumanMessage(question_of(strategies, stances, table))]
    try:
        with openai.DefaultHttpxClient(trust_env=False, follow_redirects=False) as client, tracing_context(enabled=False):
            structured = _model(settings, client).with_structured_output(
                _schema(strategies, stances), method="json_schema", strict=True, include_raw=True
            )
            message = structured.invoke(messages)["raw"]
    except openai.OpenAIError as error:
        return "", 0, f"the model did not answer ({type(error).__name__})"
    except (AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        # a server that answers nonsense breaks the client's parsers in any of these ways; its text is not repeated
        return "", 0, f"the model's server did not answer in its protocol ({type(error).__name__})"
    usage = message.usage_metadata
    tokens = usage["total_tokens"] if usage else 0
    return (message.content, tokens, "") if isinstance(message.content, str) else ("", tokens, "the model sent no text")


def _model(settings: ModelSettings, client: Any) -> Any:
    """The client of an OpenAI-compatible server: one try, bounded, and nothing taken from the environment.

    `BaseChatOpenAI` because it sends `max_tokens`, the bound that compatible servers know; without it some never end."""
    from langchain_openai.chat_models.base import BaseChatOpenAI

    key = settings.api_key or SecretStr("none")  # never None: the library would send another service's key from the environment
    return BaseChatOpenAI(
        model=settings.name,
        base_url=settings.base_url,
        api_key=key,
        temperature=0,
        max_tokens=settings.max_tokens,
        timeout=settings.timeout_seconds,
        max_retries=0,
        http_client=client,
        openai_proxy="",
        use_responses_api=False,
        disable_streaming=True,
        cache=False,
    )
