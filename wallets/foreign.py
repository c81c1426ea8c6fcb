"""Strangers' words as they may be written down: an endpoint's error, a contract's revert text, a client's reason.

Refuses line breaks and control characters, length, and what looks like a secret in them: the path and the query of an address,
what stands behind a word such as `api key` or `Bearer`, the words of a seed. Hashes and addresses of the chain stay readable."""

import re
from typing import Final

MAX_CHARACTERS: Final = 300
HIDDEN: Final = "…"

_ADDRESS: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/@'\"]*@)?([^\s/?#'\")]+)(?:[/?#][^\s'\")]*)?")
_PATH: Final = re.compile(r"(?i)(\burl:?\s*)/[^\s'\")]+")
_VERSIONED: Final = re.compile(r"/v[0-9]{1,2}/[\w-]{8,}")
_NAMED: Final = re.compile(
    r"(?i)\b((?:x-)?(?:api|access|auth|private|secret|project|client)[-_ ]?(?:key|token|secret|id)|apikey|privkey)"
    r"(['\"]?(?:\s*[=:]\s*|\s+(?:is\s+|was\s+)?)['\"]?)([^\s'\",;&)]+)"
)
_SAID: Final = re.compile(
    r"(?i)\b(password|passwd|passphrase|secret)(['\"]?(?:\s*[=:]\s*|\s+(?:is|was)\s+)['\"]?)([^\s'\",;&)]+)"
)
_HEADER: Final = re.compile(r"(?i)\b(bearer|basic|digest)(\s+)([\w.~+/=-]{6,})")
_SEED: Final = re.compile(
    r"(?i)\b(mnemonic|seed(?: phrase| words)?|recovery phrase)(\W{1,4})((?:[a-z]{3,8}\W+){11,23}[a-z]{3,8})"
)
_QUOTED_SEED: Final = re.compile(
    r"(['\"])(?:[a-z]{3,8} ){11}(?:(?:[a-z]{3,8} ){3}){0,4}[a-z]{3,8}\1"
)  # nothing else is quoted so
_TOKEN: Final = re.compile(r"\b(?:(?:sk|pk|rk|ghp|gho|xox[abp])[-_][\w-]{8,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)")
_KEY: Final = re.compile(r"(?i)\b(key)(\W{1,4}|\s+(?:is|was)\s+)(?:0x)?[0-9a-f]{64}\b")


def quoted(text: str) -> str:
    """A stranger's words, safe to keep and to show: redacted, on one line, not too long."""
    return one_line(redacted(text))


def one_line(text: str) -> str:
    """Without line breaks and control characters, and cut where it is too long."""
    shown = "".join([letter if letter.isprintable() else " " for letter in text[: 4 * MAX_CHARACTERS]])
    plain = " ".join(shown.split())
    return plain if len(plain) <= MAX_CHARACTERS else plain[: MAX_CHARACTERS - 1] + HIDDEN


def redacted(text: str) -> str:
    """Without what looks like a secret. A host stays, so that a person knows who was asked."""
    text = text[: 16 * MAX_CHARACTERS]
    text = _ADDRESS.sub(rf"\1\2/{HIDDEN}", text)
    text = _PATH.sub(rf"\1/{HIDDEN}", text)
    text = _VERSIONED.sub(f"/{HIDDEN}", text)
    text = _SEED.sub(rf"\1\2{HIDDEN}", text)
    text = _QUOTED_SEED.sub(rf"\1{HIDDEN}\1", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    for named in (_NAMED, _SAID):
        text = named.sub(rf"\1\2{HIDDEN}", text)
    text = _KEY.sub(rf"\1\2{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)
