"""Every setting, endpoint, key file, clock, list and limit: fine, or what to do. It changes nothing and stops at nothing."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from agent.cli import doctor_rules, tables
from agent.cli.findings import Finding
from agent.settings import Settings, load_deployment, load_settings, require_live
from agent.witness import disagreements
from strategies.domain import NATIVE, Deployment
from strategies.errors import KeeperUnreachable, UsufructError
from strategies.units import WAD
from wallets import decimals, pause, reading
from wallets.client import KeeperClient, socket_path
from wallets.endpoints import LOCAL_CHAIN_ID, Endpoint, code_digest

MAX_SKEW_SECONDS: Final = 60


def doctor(config: Path, *, as_json: bool) -> bool:
    """Print every finding; whether nothing is wrong."""
    findings = list(examine(config))
    if as_json:
        tables.say_json([{"what": f.what, "fine": f.fine, "text": f.text} for f in findings])
    for finding in findings if not as_json else ():
        mark, style = {True: ("ok  ", "green"), False: ("no  ", "red"), None: ("note", "yellow")}[finding.fine]
        tables.say(f"{mark} {finding.what}: {finding.text}", style)
    return all(finding.fine is not False for finding in findings)


def examine(config: Path) -> Iterator[Finding]:
    """Look at everything that can be looked at; what cannot be is a finding too."""
    try:
        settings = load_settings(config, {})
    except UsufructError as error:
        yield from (Finding("settings", False, line) for line in str(error).splitlines())
        return
    yield Finding("settings", True, f"{config} is complete")
    yield from _looked("packages", doctor_rules.packages)
    yield from doctor_rules.jurisdiction(settings)
    try:
        deployment = load_deployment(settings)
    except UsufructError as error:
        yield Finding("deployment", False, str(error))
        return
    yield Finding("deployment", True, f"{deployment.name}: {len(deployment.markets)} markets, {len(deployment.assets)} assets")
    yield from doctor_rules.assets(settings, deployment)
    endpoint = Endpoint(settings.chain.endpoint.get_secret_value(), timeout_seconds=settings.chain.read_timeout_seconds)
    for what, look in (
        ("chain", lambda: _chain(settings, endpoint)),
        ("clock", lambda: _clock(endpoint)),
        ("screening", lambda: doctor_rules.listed(settings, endpoint.now())),
        ("second reader", lambda: _second_reader(settings, endpoint)),
        ("code", lambda: _code(deployment, endpoint)),
        ("markets", lambda: _markets(settings, deployment, endpoint)),
        ("risks", lambda: doctor_rules.acknowledgement(settings)),
        ("live", lambda: _live(settings)),
        ("pause", lambda: _pause(settings)),
        ("keeper", lambda: _keeper(settings)),
    ):
        yield from _looked(what, look)


def _looked(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except UsufructError as error:
        yield Finding(what, False, str(error))


def _chain(settings: Settings, endpoint: Endpoint) -> Iterator[Finding]:
    found = endpoint.chain_id()
    same = found == settings.policy.chain_id
    yield Finding("chain", same, f"the endpoint serves chain {found}; the policy names {settings.policy.chain_id}")


def _clock(endpoint: Endpoint) -> Iterator[Finding]:
    if endpoint.chain_id() == LOCAL_CHAIN_ID:
        yield Finding("clock", None, "a private chain: time is what its blocks say")
        return
    skew_seconds = int(time.time()) - endpoint.read_header().timestamp
    fine = -MAX_SKEW_SECONDS < skew_seconds < MAX_SKEW_SECONDS
    yield Finding("clock", fine, f"the last block is {skew_seconds} s old by this machine's clock (at most {MAX_SKEW_SECONDS})")


def _second_reader(settings: Settings, endpoint: Endpoint) -> Iterator[Finding]:
    found = disagreements(
        settings.chain.endpoint.get_secret_value(),
        endpoint,
        settings.policy.account,
        timeout_seconds=settings.chain.read_timeout_seconds,
    )
    yield Finding("second reader", not found, "; ".join(found) or "web3 reads the same block, nonce and balance")


def _code(deployment: Deployment, endpoint: Endpoint) -> Iterator[Finding]:
    addresses = sorted(deployment.code)
    for address, code in zip(addresses, endpoint.code(addresses), strict=True):
        if code_digest(code) != deployment.code[address]:
            yield Finding("code", False, f"{address} does not carry the code the deployment names: do not use it")
            return
    yield Finding("code", True, f"{len(addresses)} contracts carry the code the deployment names")
    found = decimals.otherwise(endpoint, deployment, deployment.assets)
    yield Finding("decimals", not found, "; ".join(found) or f"{len(deployment.assets)} assets have those the deployment names")


def _markets(settings: Settings, deployment: Deployment, endpoint: Endpoint) -> Iterator[Finding]:
    seen, held = reading.read(endpoint, deployment, settings.policy.account)
    for name, why in seen.refused:
        yield Finding(name, None, why)
    yield Finding("block", True, f"{seen.block} read whole in one request")
    native_wei = sum(idle.raw for idle in held.idle if idle.asset.address == NATIVE)
    needed_wei = settings.policy.min_native_reserve_wei
    text = f"{native_wei / WAD:.4g} of the native coin; {needed_wei / WAD:.4g} must always stay"
    yield Finding("gas", native_wei > needed_wei, text)


def _live(settings: Settings) -> Iterator[Finding]:
    require_live(settings)
    yield Finding("live", True, "a live run may start: test chain, enrolled operator, private keystore of the policy's account")


def _pause(settings: Settings) -> Iterator[Finding]:
    found = pause.read_pause(settings.wallet.folder) or pause.read_reduce_only(settings.wallet.folder)
    if found is None:
        yield Finding("pause", True, "not paused")
        return
    ended, people = pause.ended_by(settings.wallet.folder, settings.policy, found.id), settings.policy.people.resume_people
    signed = f"; {', '.join(ended)} signed its end" if ended else ""
    yield Finding("pause", None, f"paused: {found.reason}{signed}; `usufruct resume` by {people} ends it")


def _keeper(settings: Settings) -> Iterator[Finding]:
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=10)
    try:
        status = client.status()
    except KeeperUnreachable:
        yield Finding("keeper", None, "not running; `run --mode live` starts it")
        return
    begun = f", settling {', '.join(status.unfinished)}" if status.unfinished else ""
    yield Finding("keeper", True, f"signs for {status.account} on chain {status.chain_id}{begun}")
    if status.terms_waiting:
        yield Finding(
            "terms", None, "a change waits, and the keeper acts under stricter terms; `usufruct policy status` shows both"
        )
