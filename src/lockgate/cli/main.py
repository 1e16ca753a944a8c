"""The `lockgate` command. Exit 0 pass, 1 fail, 2 undecided, 3 error."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli import evidence, show
from lockgate.errors import LockgateError

if TYPE_CHECKING:
    import polars as pl

    from lockgate.workspace.workspace import Workspace

app = typer.Typer(
    help="From a training table to guarded production: every change of traffic is a verdict.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rollout_app = typer.Typer(help="Move traffic to a version, step by step.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rollout_app, name="rollout")

Directory = Annotated[Path, typer.Option("--directory", "-C", help="The project's folder.")]
Json = Annotated[bool, typer.Option("--json", help="The record as JSON.")]
HERE = Path()
# Typer carries a Click of its own from 0.27 on: the class is found through what Typer itself exports.
_UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where to make the demo's project.")] = Path("lockgate-demo"),
    stay: Annotated[
        bool | None, typer.Option(help="Leave the pages up at the end; the default under a terminal.")
    ] = None,
) -> None:
    """The whole loop on a year of real flights, in some two minutes."""
    from lockgate.cli.demo.story import tell

    sys.exit(tell(directory, stay=sys.stdout.isatty() if stay is None else stay))


@app.command()
def init(
    model: Annotated[str, typer.Argument(help="A name for the prediction task.")] = "my_model",
    target: Annotated[str, typer.Option(help="The outcome's column.")] = "y",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Make a workspace: lockgate.toml and its databases."""
    from lockgate.workspace.workspace import create

    text = f'[model.{model}]\ntarget = "{target}"\n# unit = "..."\n# time = "..."\n# train = "module:function"\n'
    text += '# features = "module:function"\n'
    file = create(directory, text, show.progress())
    if json:
        show.as_json({"file": str(file)})
        return
    show.say(f"Made {file}. Every key but target and unit has a default.")
    show.following(f"lockgate data {model} TABLE")


@app.command()
def data(model: str, table: Path, directory: Directory = HERE, json: Json = False) -> None:
    """Keep a table (Parquet or CSV) as the model's next dataset version, under its contract."""
    made = _open(directory).data(model, _read_table(table))
    if json:
        show.as_json(made)
        return
    show.say(f"{made.ref}: {made.rows:,} rows kept.")
    for rule, rows in made.quarantined.items():
        show.say(f"  set aside {rows:,} rows: {rule}")
    show.following(f"lockgate train {model}")


@app.command()
def train(
    model: str,
    features: Annotated[str | None, typer.Option(help="module:function, instead of the config's.")] = None,
    train_with: Annotated[str | None, typer.Option("--train", help="module:function, instead of the config's.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call the version.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Train baselines first, then the candidate, on the newest dataset."""
    workspace = _open(directory)
    made = workspace.train(model, features=features, train_with=train_with, name=name, progress=show.progress())
    if json:
        show.as_json(made)
        return
    show.say(*show.version_lines(made))
    if workspace.wiring.tracker.problem:
        show.say(f"note: {workspace.wiring.tracker.problem}")
    show.following(f"lockgate gate {made.short}")


@app.command()
def gate(version: str, directory: Directory = HERE, json: Json = False) -> None:
    """Judge a version against its baseline and the champion on held-out rows."""
    from lockgate.decide.judgement import worst

    found = _open(directory).gate(version)
    ruling = worst(v.ruling for v in found)
    if json:
        show.as_json(found)
    else:
        show.say(*show.verdict_lines(found))
        show.following(f"lockgate why {found[0].id}" if ruling == "fail" else f"lockgate rollout start {version}")
    sys.exit(show.EXIT[ruling])


@app.command()
def plan(version: str, directory: Directory = HERE, json: Json = False) -> None:
    """What a version's rollout would take: calls, days, the harm it can see, and what would never decide."""
    found = _open(directory).plan(version)
    if json:
        show.as_json(found)
    else:
        show.plan_table(found)
        show.following(f"lockgate rollout start {version}{'' if found.is_sound else ' --anyway'}")
    sys.exit(show.EXIT["pass" if found.is_sound else "fail"])


@rollout_app.command("start")
def rollout_start(
    version: str,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where its plan would not decide in time.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Begin at the foot of the ladder; a model's first version takes the traffic at once."""
    move = _open(directory).rollout(version, anyway=anyway)
    if json:
        show.as_json(move)
        return
    show.say(f"{move.kind}: {version}. {move.reason}")
    show.following(f"lockgate why {move.rollout}" if move.rollout else "lockgate serve")


@rollout_app.command("abort")
def rollout_abort(
    model: str, reason: Annotated[str, typer.Option(help="Why; it is written down.")], directory: Directory = HERE
) -> None:
    """End the running rollout; the champion keeps the traffic."""
    move = _open(directory).abort(model, reason=reason)
    show.say(f"Ended {move.rollout}: {move.reason}")
    show.following("lockgate status")


@rollout_app.command("log")
def rollout_log(model: str, directory: Directory = HERE, json: Json = False) -> None:
    """Every move of a model's traffic, oldest first."""
    from lockgate.records import Move
    from lockgate.report.words import when

    moves = _open(directory).wiring.records.all(Move, model)
    if json:
        show.as_json(moves)
        return
    for move in moves:
        show.say(f"{when(move.at_s)}  {move.kind.replace('_', ' '):<10} {move.id}  {move.reason}")
    show.following(f"lockgate why {moves[-1].id}" if moves else f"lockgate train {model}")


@app.command()
def rollback(
    model: str,
    to: Annotated[str | None, typer.Option(help="A version; else the champion before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for at the command line",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """All traffic back: from a rollout to the champion, else to the champion before."""
    workspace = _open(directory)
    move = workspace.rollback(model, to=to, reason=reason)
    if json:
        show.as_json(move)
        return
    name = workspace.version(move.to).short
    show.say(f"{name} holds the traffic of {model} again (routing revision {move.revision}).")
    show.following(f"lockgate why {move.id}")


@app.command()
def retrain(model: str, directory: Directory = HERE, json: Json = False) -> None:
    """The champion's recipe on the newest dataset, gated."""
    made = _open(directory).retrain(model, progress=show.progress())
    if json:
        show.as_json(made)
        return
    show.say(*show.version_lines(made))
    show.following(f"lockgate rollout start {made.short}")


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="For calls; 0 takes a free one.")] = None,
    pages_port: Annotated[int | None, typer.Option(help="For the pages; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    directory: Directory = HERE,
) -> None:
    """Serve every model that has a champion, and watch over it."""
    from lockgate.server.supervisor import Supervisor, bound

    workspace = _open(directory)
    spec, home, project = workspace.spec.server, workspace.wiring.home, workspace.wiring.project
    pages = bound(spec.host, spec.pages_port if pages_port is None else pages_port, "--pages-port")
    companion = [
        sys.executable,
        "-m",
        "lockgate.server.control",
        "--project",
        str(project),
        "--fd",
        str(pages.fileno()),
    ]
    supervisor = Supervisor(
        home,
        host=spec.host,
        port=spec.port if port is None else port,
        workers=workers or spec.workers,
        companions=[companion],
        fds=[pages.fileno()],
        pages_port=pages.getsockname()[1],
    )
    supervisor.bind()
    show.say(
        f"calls: http://{spec.host}:{supervisor.port}/predict/MODEL   pages: http://{spec.host}:{pages.getsockname()[1]}/",
        "Ctrl-C finishes the calls in hand and stops.",
    )
    sys.stdout.flush()
    supervisor.run()


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="One turn, for cron.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The loop alone: join outcomes, judge, move traffic, alert."""
    workspace = _open(directory)
    if not once:
        from lockgate.server.control import serve as turn

        turn(workspace.wiring.project, None)
        return
    done = workspace.tick()
    while done.is_leader and done.read:
        done = workspace.tick()
    if json:
        show.as_json({"leader": done.is_leader, "verdicts": done.verdicts, "moves": done.moves, "alarms": done.alarms})
        return
    show.say("Up to date." if done.is_leader else "Another loop is at work; nothing was done.")
    show.following("lockgate status")


@app.command()
def score(
    model: str,
    table: Path,
    prefix: Annotated[
        str | None, typer.Option(help="Begins every prediction's id; else the file's name and digest.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file for the predictions.")] = None,
    directory: Directory = HERE,
) -> None:
    """Score a table: its rows are calls like any others, routed, logged and shadowed."""
    import polars as pl

    rows = _read_table(table)
    # The same file scored twice gives the same ids, and its calls count once.
    begins = prefix or f"{table.stem}-{hashlib.sha256(table.read_bytes()).hexdigest()[:8]}"
    workspace = _open(directory)
    found = workspace.score(model, rows, prefix=begins)
    workspace.close()
    if out is not None:
        answers = [(p.id, p.value, p.version, p.served_by) for p in found]
        pl.DataFrame(answers, schema=["id", "value", "version", "served_by"], orient="row").write_parquet(out)
    failed = sum(p.failure is not None for p in found)
    show.say(f"{len(found):,} rows scored, {failed:,} of them by a fallback.")
    show.following("lockgate status")


@app.command()
def outcomes(model: str, table: Path, directory: Directory = HERE) -> None:
    """Bring outcomes: a table with the columns id, value and at (UTC)."""
    import polars as pl

    workspace = _open(directory)
    read = _read_table(table).select(pl.col("id"), pl.col("value").cast(pl.Float64), pl.col("at").dt.epoch("us") / 1e6)
    kept = workspace.outcomes(model, read.rows())
    workspace.close()
    show.say(f"{kept:,} outcomes kept.")
    show.following("lockgate status")


@app.command()
def status(directory: Directory = HERE, json: Json = False) -> None:
    """How every model is doing now."""
    rows = _open(directory).status()
    if json:
        show.as_json(rows)
        return
    if not rows:
        show.say("No model serves yet.")
        show.following("lockgate train MODEL")
        return
    show.status_table(rows)
    show.following(rows[0].next)


@app.command()
def why(
    name: Annotated[
        str | None, typer.Argument(metavar="ID", help="A verdict, move, alarm, rollout or version.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the ledger's chain.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Make a verdict again from the log, to the bit.")] = False,
    draw: Annotated[Path | None, typer.Option(help="Draw a verdict's evidence: FILE.html, .svg or .json.")] = None,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The sentence and the evidence behind an id."""
    from lockgate.errors import SpecError
    from lockgate.report import why as reasons

    workspace = _open(directory)
    records = workspace.wiring.records
    if verify:
        entries = records.entries()
        broken = reasons.verify(entries)
        show.say(f"{len(entries)} entries, the chain holds." if broken is None else f"Entry {broken} was changed.")
        sys.exit(0 if broken is None else 1)
    if name is None:
        raise SpecError("Why what?", cure="Name a verdict, move, alarm, rollout or version; or ask for --verify.")
    if replay:
        evidence.replay(workspace, name, json=json)
        return
    record = reasons.find(records, name)
    if draw is not None:
        evidence.draw(record, draw)
        show.following(f"lockgate why {name}")
        return
    if json:
        show.as_json(record)
        return
    found = reasons.why(records, name)
    show.say(*found.lines)
    show.following(found.next)


def _open(directory: Path) -> Workspace:
    from lockgate.workspace.workspace import Workspace

    return Workspace.open(directory)


def _read_table(path: Path) -> pl.DataFrame:
    """Raises NotFound or SpecError naming the file."""
    import polars as pl

    from lockgate.errors import NotFound, SpecError

    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    if path.suffix not in (".parquet", ".csv"):
        raise SpecError(f"{path} is neither Parquet nor CSV.", cure="Save it as .parquet or .csv.")
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SpecError(f"{path} cannot be read: {error}.") from error


def run() -> None:
    """The command, with every error a sentence and exit code 3: usage errors too, which would be 2 otherwise."""
    try:
        if len(sys.argv) == 1:
            sys.argv.append("--help")
        app(standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except LockgateError as error:
        sys.stderr.write(f"lockgate: {error}\n")
        sys.exit(show.ERROR)
    except BrokenPipeError:
        sys.exit(show.ERROR)
    except Exception as error:
        if os.environ.get("LOCKGATE_DEBUG"):
            raise
        _say_unexpected(error)
        sys.exit(show.ERROR)


def _say_unexpected(error: Any) -> None:
    """Usage errors in Typer's own words; anything else is ours."""
    if isinstance(error, _UsageError):
        error.show()
        return
    sys.stderr.write(f"lockgate: this is a bug of ours: {error!r}. Run again with LOCKGATE_DEBUG=1 to see where.\n")
