"""The command line. Each command imports what it needs when it runs; nothing here computes, signs or decides."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agent.cli.harness import backtest_app, data_app
from agent.cli.options import CONFIG, Config, Json, OperatorKey, OperatorName, PasswordFile, Yes

app = typer.Typer(
    name="usufruct",
    help="An agent that earns on-chain yield and can be trusted with the key. It signs on test networks only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
wallet_app = typer.Typer(help="The encrypted key the keeper signs with.", no_args_is_help=True)
operator_app = typer.Typer(help="The keys of the people who say yes.", no_args_is_help=True)
audit_app = typer.Typer(help="The keeper's history, checked offline and handed out.", no_args_is_help=True)
policy_app = typer.Typer(help="The terms in force, and changes that wait for people and a day.", no_args_is_help=True)
safe_app = typer.Typer(help="A Safe as the account: what its owners set up for the agent.", no_args_is_help=True)
verify_app = typer.Typer(help="Published catalogues against this installation.", no_args_is_help=True)
app.add_typer(backtest_app, name="backtest")
app.add_typer(data_app, name="data")
app.add_typer(wallet_app, name="wallet")
wallet_app.add_typer(safe_app, name="safe")
app.add_typer(operator_app, name="operator")
app.add_typer(audit_app, name="audit")
app.add_typer(policy_app, name="policy")
app.add_typer(verify_app, name="verify")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the run's files go.")] = Path("runs/demo"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the chain and the keeper running afterwards, to try commands on.")
    ] = False,
) -> None:
    """The whole story on a private chain: observe, propose, ask, sign, earn, refuse an attack, backtest."""
    from agent.cli.demo import tell

    tell(folder, keep=keep)


@app.command()
def doctor(config: Config = CONFIG, json: Json = False) -> None:
    """Check every setting, endpoint, key file, clock and limit: fine, or what to do."""
    from agent.cli.doctor import doctor as examine

    if not examine(config, as_json=json):
        raise typer.Exit(1)


@app.command()
def acknowledge(
    name: Annotated[str, typer.Option("--name", help="Who acknowledges: your name.")],
    config: Config = CONFIG,
    yes: Annotated[bool, typer.Option("--yes-i-understand", help="Do not ask for the sentence on the terminal.")] = False,
) -> None:
    """Read the risks and give your word; the first live run asks for it."""
    from agent.cli.acknowledge import acknowledge as say_so

    say_so(config, who=name, asked=not yes)


@app.command()
def observe(config: Config = CONFIG, json: Json = False) -> None:
    """Markets with net APR for your size, and why each refused one is refused."""
    from agent.cli.look import observe as run

    run(config, as_json=json)


@app.command()
def run(
    mode: Annotated[str, typer.Option(help="paper or live. Live is for test networks and asks a person.")],
    config: Config = CONFIG,
    once: Annotated[bool, typer.Option("--once", help="One cycle, then stop.")] = False,
    cash: Annotated[Optional[int], typer.Option(min=1, help="Paper only: start over with so many whole units.")] = None,  # noqa: UP045
) -> None:
    """The agent: one cycle after another at the strategy's cadence."""
    from agent.cli.run import run as start

    start(config, mode=mode, once=once, cash=cash)


@app.command()
def keeper(
    config: Config = CONFIG,
    password_file: PasswordFile = None,
    end: Annotated[bool, typer.Option("--end", help="Have the keeper that runs finish what it does and end.")] = False,
) -> None:
    """The guarded wallet process: it alone holds the key. `run --mode live` starts it for you."""
    from agent.cli import keep

    if end:
        keep.tell_end(config)
    else:
        keep.keeper(config, password_file)


@app.command()
def approvals(config: Config = CONFIG, json: Json = False) -> None:
    """Plans that wait for a person: decoded calls and simulated effects."""
    from agent.cli.supervise import approvals as show

    show(config, as_json=json)


@app.command()
def approve(
    plan: Annotated[str, typer.Argument(help="The id that `approvals` shows.")],
    operator: OperatorName,
    operator_key: OperatorKey,
    config: Config = CONFIG,
    password_file: PasswordFile = None,
    yes: Yes = False,
) -> None:
    """Say yes to one plan, bound to its bytes, and carry it out."""
    from agent.cli.supervise import approve as say_yes

    say_yes(config, plan, operator=operator, key_file=operator_key, password_file=password_file, asked=not yes)


@app.command()
def reject(
    plan: Annotated[str, typer.Argument(help="The id that `approvals` shows.")],
    config: Config = CONFIG,
    operator: Annotated[str | None, typer.Option(help="Your name: with your key, the no is signed and final.")] = None,
    operator_key: Annotated[Path | None, typer.Option(help="Your operator key file.")] = None,
    password_file: PasswordFile = None,
) -> None:
    """Say no to one plan."""
    from agent.cli import supervise

    if operator is not None and operator_key is not None:
        supervise.reject_for_good(config, plan, operator=operator, key_file=operator_key, password_file=password_file)
    else:
        supervise.reject(config, plan)


@app.command()
def pause(
    config: Config = CONFIG,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "paused by a person",
    reduce_only: Annotated[
        bool, typer.Option("--reduce-only", help="Let repayments, withdrawals to the wallet and revocations pass.")
    ] = False,
) -> None:
    """Stop all signing at once, but for revocations. Works with the keeper down and survives restarts."""
    from agent.cli import stop

    if reduce_only:
        stop.reduce_only(config, reason)
    else:
        stop.pause(config, reason)


@app.command()
def resume(
    operator: OperatorName, operator_key: OperatorKey, config: Config = CONFIG, password_file: PasswordFile = None
) -> None:
    """End the strictest pause in force; needs an operator's signature."""
    from agent.cli.stop import resume as go_on

    go_on(config, operator=operator, key_file=operator_key, password_file=password_file)


@app.command()
def unwind(
    operator: OperatorName,
    operator_key: OperatorKey,
    config: Config = CONFIG,
    password_file: PasswordFile = None,
    yes: Yes = False,
) -> None:
    """Take everything out of every market, to idle, and let nothing back in. Ends with 1 where something stays."""
    from agent.cli.stop import unwind as take_out

    if not take_out(config, operator=operator, key_file=operator_key, password_file=password_file, asked=not yes):
        raise typer.Exit(1)


@app.command()
def revoke(
    operator: OperatorName,
    operator_key: OperatorKey,
    spender: Annotated[Optional[list[str]], typer.Option(help="A further spender; may be given several times.")] = None,  # noqa: UP045
    config: Config = CONFIG,
    password_file: PasswordFile = None,
    yes: Yes = False,
) -> None:
    """Take every allowance back, under any pause. Ends with 1 where one stays."""
    from agent.cli.stop import revoke as take_back

    named = tuple(spender or ())
    if not take_back(config, named, operator=operator, key_file=operator_key, password_file=password_file, asked=not yes):
        raise typer.Exit(1)


@app.command()
def explain(
    plan: Annotated[str, typer.Argument(help="A cycle's id; `last` for the newest.")] = "last",
    mode: Annotated[str, typer.Option(help="Whose history: live or paper.")] = "live",
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """One decision: what was seen, chosen, refused, signed and booked."""
    from agent.cli.look import explain as tell

    tell(config, plan, mode=mode, as_json=json)


@wallet_app.command("create")
def wallet_create(
    path: Annotated[Path, typer.Argument(help="The keystore file to make.")], password_file: PasswordFile = None
) -> None:
    """A new key, encrypted under a password you type. Prints its address; the key is never shown."""
    from agent.cli.keys import create_wallet

    create_wallet(path, password_file)


@wallet_app.command("address")
def wallet_address(path: Annotated[Path, typer.Argument(help="The keystore file.")]) -> None:
    """The address of a keystore, without its password."""
    from agent.cli.keys import show_address

    show_address(path)


@safe_app.command("plan")
def wallet_safe_plan(config: Config = CONFIG, json: Json = False) -> None:
    """Derive the agent's role from the policy: every permission, the transactions that set it up, and their digest."""
    from agent.cli.safe import plan

    plan(config, as_json=json)


@operator_app.command("create")
def operator_create(
    path: Annotated[Path, typer.Argument(help="The key file to make.")], password_file: PasswordFile = None
) -> None:
    """A new operator key. Prints the public key to enrol in the policy."""
    from agent.cli.keys import create_operator

    create_operator(path, password_file)


@policy_app.command("status")
def policy_status(config: Config = CONFIG, json: Json = False) -> None:
    """What is in force, what waits, who has agreed, and when it may come into force."""
    from agent.cli.policy import status

    status(config, as_json=json)


@policy_app.command("agree")
def policy_agree(
    operator: OperatorName,
    operator_key: OperatorKey,
    config: Config = CONFIG,
    password_file: PasswordFile = None,
    yes: Yes = False,
) -> None:
    """Agree to the change that waits: it comes into force after a day, where enough operators have."""
    from agent.cli.policy import agree

    agree(config, operator=operator, key_file=operator_key, password_file=password_file, asked=not yes)


@audit_app.command("verify")
def audit_verify(
    public_key: Annotated[
        Path, typer.Option("--public-key", help="The audit key's public half: audit.pub, as you copied it away.")
    ],
    history: Annotated[Optional[Path], typer.Argument(help="A store or an export; without it the keeper's store.")] = None,  # noqa: UP045
    head: Annotated[Optional[Path], typer.Option("--head", help="Signed heads you copied away (audit.head).")] = None,  # noqa: UP045
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Find the first line that was edited, deleted, moved or added. Ends with 0 (whole), 1 (not) or 2 (wrong settings)."""
    from agent.cli.audit import verify

    if not verify(history, public_key=public_key, head=head, config=config, as_json=json):
        raise typer.Exit(1)


@audit_app.command("export")
def audit_export(
    out: Annotated[Path, typer.Argument(help="The JSONL file to make.", metavar="NEW_FILE")],
    store: Annotated[Optional[Path], typer.Option("--store", help="Another store than the keeper's.")] = None,  # noqa: UP045
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Write lines and signed heads as JSONL that a stranger can check with the public key; see docs/audit.md."""
    from agent.cli.audit import export

    export(out, history=store, config=config, as_json=json)


@verify_app.command("vectors")
def verify_vectors(
    folder: Annotated[Path, typer.Argument(help="A folder of *.json in the published format.", metavar="DIR")], json: Json = False
) -> None:
    """Every published reference vector, by equality. Ends with 0 (all equal), 1 (some failed or skipped) or 2 (unreadable)."""
    from agent.cli.verify import vectors

    raise typer.Exit(vectors(folder, as_json=json))


@verify_app.command("attacks")
def verify_attacks(
    file: Annotated[Path, typer.Argument(help="A catalogue in the published format.", metavar="FILE")],
    policy: Annotated[Path | None, typer.Option(help="A settings file, whose limits are tried, not the assumed.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A category, surface or id; may be given several times.")] = None,
    unguarded: Annotated[bool, typer.Option("--unguarded", help="What each attack costs with no guard in between.")] = False,
    json: Json = False,
) -> None:
    """Attacks on the real wallet, on a private chain. Ends with 0 (nothing fell short), 1 (something did) or 2 (unreadable)."""
    from agent.cli import verify

    asked = verify.Asked(file, policy, tuple(only or ()), json)
    raise typer.Exit(verify.unguarded(asked) if unguarded else verify.attacks(asked))


@verify_app.command("formulas")
def verify_formulas(
    file: Annotated[Path, typer.Argument(help="Formula checks in the published format.", metavar="FILE")], json: Json = False
) -> None:
    """Statistics and closed forms, to the stated digits. Ends with 0 (all as stated), 1 (something is not) or 2 (unreadable)."""
    from agent.cli.formulas import formulas

    raise typer.Exit(formulas(file, as_json=json))
