"""Settings from the environment: an option on the command line counts most, then `LOCKGATE_SERVER_<KEY>`, then
`lockgate.toml`, then the default. Unknown names are refused, for a misspelt setting is one that silently is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from lockgate.errors import ConfigError, SpecError
from lockgate.records.spec import ServerSpec

PREFIX = "LOCKGATE_"
SERVER = f"{PREFIX}SERVER_"
PROJECT = f"{PREFIX}PROJECT"
_READ = ("PROJECT", "SQL_CONNECTION", "TOKEN", "TOKEN_FILE", "LOG", "LOG_LEVEL", "DEBUG", "SUPERVISOR", "DUCKDB_PYTHON")
# What else is read somewhere, each beside its own words: the token, bugs' whereabouts, and a child's parent.
OTHERS = tuple(f"{PREFIX}{name}" for name in _READ)
KEYS = {f"{SERVER}{field.name.upper()}": field.name for field in msgspec.structs.fields(ServerSpec)}
# Kubernetes tells every pod about every service beside it, so one called `lockgate-server` sets LOCKGATE_SERVER_PORT too.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")


def server(spec: ServerSpec, environment: Mapping[str, str], options: Mapping[str, Any] | None = None) -> ServerSpec:
    """The server's settings: what `options` say, but for None; else the environment; else `spec`, what the file says.

    Raises ConfigError naming the variable, SpecError for an option.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    told = {key: environment[name] for name, key in KEYS.items() if name in settings(environment)}
    for key, text in told.items():
        try:
            spec = msgspec.convert(msgspec.structs.asdict(spec) | {key: text}, ServerSpec, strict=False)
        except (msgspec.ValidationError, SpecError) as error:
            said = str(error) if isinstance(error, SpecError) else f"{str(error).partition(' - ')[0]}."
            raise ConfigError(f"{SERVER}{key.upper()} is {text!r}: {said}") from error
    # Made anew and not replaced: msgspec 0.20 would take over what was given without a look at it.
    return ServerSpec(**(msgspec.structs.asdict(spec) | given))


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raises ConfigError for a name of ours that nothing reads, with the nearest that something does."""
    known = [*KEYS, *OTHERS]
    # Told apart by what follows the prefix they share; a server's key also where SERVER_ was forgotten.
    meant = {name.removeprefix(PREFIX): name for name in known} | {key.upper(): name for name, key in KEYS.items()}
    for name in settings(environment):
        if name not in known:
            near = get_close_matches(name.removeprefix(PREFIX), meant, n=1)
            cure = f"Did you mean {meant[near[0]]}?" if near else f"Known: {', '.join(sorted(known))}."
            raise ConfigError(f"The environment sets {name}, which nothing reads.", cure=cure)


def settings(environment: Mapping[str, str]) -> list[str]:
    """The names that begin as ours do, without those that Kubernetes set for a service whose name begins so."""
    services = [name.removesuffix("_SERVICE_HOST") for name in environment if name.endswith("_SERVICE_HOST")]

    def is_a_link(name: str) -> bool:
        tail = next((name.removeprefix(service) for service in services if name.startswith(f"{service}_")), "")
        is_a_port = tail == "_PORT" and "://" not in environment[name]  # set by a person, over the link
        return bool(_SERVICE_LINK.fullmatch(tail)) and not is_a_port

    return [name for name in environment if name.startswith(PREFIX) and not is_a_link(name)]
