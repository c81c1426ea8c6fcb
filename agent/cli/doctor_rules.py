"""What `doctor` says of law and of origin: jurisdiction, lists and classes of assets, the acknowledgement, installed packages."""

from collections.abc import Iterator
from datetime import UTC, datetime

from agent import locked
from agent.cli.findings import Finding
from agent.settings import Settings
from strategies.domain import Deployment
from strategies.errors import SettingsError
from wallets import acknowledged, files, screening
from wallets.compliance import EUROPEAN_UNION, NONE, PROFILES, never_live, why_denied
from wallets.endpoints import LOCAL_CHAIN_ID


def jurisdiction(settings: Settings) -> Iterator[Finding]:
    """Where the operator is, and which profile is chosen."""
    declared = settings.policy.compliance
    if why := never_live(declared):
        yield Finding("jurisdiction", None, why)
        return
    yield Finding("jurisdiction", True, f"{declared.jurisdiction}, profile {declared.profile} (engineering, not legal advice)")
    if declared.jurisdiction in EUROPEAN_UNION and declared.profile == NONE:
        denied = ", ".join(sorted(PROFILES["EU"]))
        yield Finding("jurisdiction", None, f'{declared.jurisdiction} is in the EU: the profile "EU" would deny {denied}')


def assets(settings: Settings, deployment: Deployment) -> Iterator[Finding]:
    """Which assets of the deployment may not be acquired."""
    declared = settings.policy.compliance
    denied = [(asset, why) for asset in deployment.assets if (why := why_denied(asset, deployment, declared))]
    for asset, why in denied:
        yield Finding(f"asset {asset.symbol}", None, why)
    if not denied:
        yield Finding("assets", True, f"each of the {len(deployment.assets)} may be acquired")
    if declared.real_world_assets != NONE:
        yield Finding("assets", None, f"real-world assets are enabled: {declared.real_world_assets}")


def listed(settings: Settings, now: int) -> Iterator[Finding]:
    """Whose list of addresses is used, of when, and whether it is still of now."""
    declared, policy = settings.policy.compliance, settings.policy
    if declared.screening is None:
        fine = policy.chain_id == LOCAL_CHAIN_ID
        yield Finding("screening", fine or None, "no list" + (", and a private chain needs none" if fine else "; live needs one"))
        return
    try:
        found = screening.read(declared.screening)
    except SettingsError as error:
        yield Finding("screening", False, f"{error}; until then only what takes back is signed")
        return
    age_seconds, limit_seconds = now - found.taken_at, declared.max_screening_age_seconds
    taken = datetime.fromtimestamp(found.taken_at, UTC).isoformat()
    text = f"{len(found.addresses)} addresses by {found.source}, of {taken}, {age_seconds:,} s old (at most {limit_seconds:,})"
    yield Finding("screening", 0 <= age_seconds <= limit_seconds, text)
    for what, address in (("treasury", policy.treasury), ("account", policy.account)):
        if address in found.addresses:
            yield Finding("screening", False, f"the {what} {address} is on the list: nothing goes there")


def acknowledgement(settings: Settings) -> Iterator[Finding]:
    """Who acknowledged the risks, and when."""
    try:
        said = acknowledged.read(settings.wallet.folder)
    except SettingsError as error:
        yield Finding("risks", None, str(error))
        return
    yield Finding("risks", True, f"{said.who} acknowledged them on {datetime.fromtimestamp(said.at, UTC).isoformat()}")


def packages() -> Iterator[Finding]:
    """Whether what is installed is what the lock names."""
    path = locked.beside()
    if path is None:
        yield Finding("packages", None, f"no {locked.LOCK} lies beside this program, so they cannot be compared")
        return
    lock = locked.read_lock(files.read_text(path))
    found = locked.compare(locked.installed(), lock)
    differing = f"; {', '.join(found.differing)}: run `make setup` again" if found.differing else ""
    total = len(found.equal) + len(found.differing)
    yield Finding("packages", not found.differing, f"{len(found.equal)} of {total} are what {path.name} names{differing}")
    if found.strange:
        yield Finding("packages", None, f"{len(found.strange)} more are installed that no lock names: {', '.join(found.strange)}")
