"""The `lockgate` command. Exit 0 pass, 1 fail, 2 undecided, 3 error."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.cli import alarms, calls, data, develop, export, first, know, monitor, retraining, show, traffic
from lockgate.cli.inspect import inspect
from lockgate.cli.options import HERE, Directory, Json, opened
from lockgate.errors import LockgateError
from lockgate.workspace.environment import refuse_unknown

app = typer.Typer(
    help="From a training table to guarded production: every change of traffic is a verdict.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Typer carries a Click of its own from 0.27 on: the class is found through what Typer itself exports.
_UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where to make the demo's project.")] = Path("lockgate-demo"),
    stay: Annotated[
        bool | None, typer.Option(help="Leave the pages up at the end; the default under a terminal.")
    ] = None,
) -> None:
    """The whole loop on a year of real flights, in some four minutes."""
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
    from lockgate.workspace.creating import create

    text = f'[model.{model}]\ntarget = "{target}"\n# unit = "..."\n# time = "..."\n# train = "module:function"\n'
    text += '# features = "module:function"\n'
    file = create(directory, text, show.progress())
    if json:
        show.as_json({"file": str(file)})
        return
    show.say(f"Made {file}. Every key but target and unit has a default.")
    show.following(f"lockgate data {model} TABLE")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen; beyond this machine it asks for a token.")] = None,
    port: Annotated[int | None, typer.Option(help="For calls; 0 takes a free one.")] = None,
    pages_port: Annotated[int | None, typer.Option(help="For the pages; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes; else one for each core.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="For calls by gRPC; 0 takes a free one.")] = None,
    directory: Directory = HERE,
) -> None:
    """Serve every model that has a champion, and watch over it. Options count more than LOCKGATE_SERVER_... variables, those
    more than lockgate.toml.
    """
    from lockgate.server import cores, tokens
    from lockgate.server.supervisor import Supervisor, bound
    from lockgate.workspace import environment
    from lockgate.workspace.prepared import prepare

    project, home, told = prepare(directory)
    asked = {"host": host, "port": port, "pages_port": pages_port, "workers": workers, "grpc_port": grpc_port}
    spec = environment.server(told.server, os.environ, asked)
    tokens.refuse_open_house(spec.host, tokens.read(os.environ))
    pages = bound(spec.host, spec.pages_port, "--pages-port")
    companion = [
        sys.executable,
        "-m",
        "lockgate.server.control",
        "--project",
        str(project),
        "--fd",
        str(pages.fileno()),
        "--host",
        spec.host,
    ]
    supervisor = Supervisor(
        home,
        host=spec.host,
        port=spec.port,
        workers=spec.workers or cores.workers(),
        companions=[companion],
        fds=[pages.fileno()],
        pages_port=pages.getsockname()[1],
        grpc_port=spec.grpc_port,
        worker_options=["--limits", f"[{spec.connections}, {spec.head_s}, {spec.body_s}, {spec.idle_s}]"],
    )
    supervisor.bind()
    address = f"[{spec.host}]" if ":" in spec.host else spec.host
    show.say(
        f"calls: http://{address}:{supervisor.port}/predict/MODEL   pages: http://{address}:{pages.getsockname()[1]}/",
        *([] if supervisor.grpc_port is None else [f"gRPC: {address}:{supervisor.grpc_port}"]),
        "Ctrl-C finishes the calls in hand and stops.",
    )
    sys.stdout.flush()
    supervisor.become()


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="One turn, for cron.")] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """The loop alone: join outcomes, judge, move traffic, alert."""
    workspace = opened(directory)
    if not once:
        from lockgate.server.control import serve as turn

        turn(workspace.wiring.project, None)
        return
    from lockgate.workspace.noticing import Notices

    notices = Notices(workspace.wiring)  # before the first turn: a new channel is told of this one's moves
    done = workspace.tick()
    told = list(done.alarms)
    while done.is_leader and done.read:
        done = workspace.tick()
        told += done.alarms
    retraining.once(workspace, notices)
    if json:
        show.as_json(
            {
                "leader": done.is_leader,
                "verdicts": done.verdicts,
                "moves": done.moves,
                "alarms": told,
                "problems": done.problems,
            }
        )
        return
    said = "Up to date." if done.is_leader else "Another loop is at work; nothing was done."
    lines = (f"{alarm.severity}: {alarm.sentence} Next: {alarm.next}" for alarm in told)
    show.say(said, *lines, *(f"note: {problem}" for problem in done.problems))
    show.following("lockgate status")


for room in (first, export, data, develop, retraining, traffic, calls, know, alarms, monitor):
    room.register(app)
app.command()(inspect)


def run() -> None:
    """The command, with every error a sentence and exit code 3: usage errors too, which would be 2 otherwise."""
    try:
        refuse_unknown(os.environ)
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
