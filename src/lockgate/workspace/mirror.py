"""What the registry shows is what the workspace says: versions, verdicts as tags, aliases.

The workspace is the truth. An alias that somebody else moved is a proposal: said, never obeyed, never overwritten. To tell
one's own hand from another's, a tag of the model keeps what was last written: `lockgate.alias.champion = "<owner> <number>"`,
and for a moment two numbers, from just before a move until just after it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lockgate.errors import Conflict, NotFound, StoreError
from lockgate.records import MlflowSpec, Routing, Verdict, Version
from lockgate.store.ports import Records, Registered, Registry, VersionFolders

ID = "lockgate.version"
ALIAS = "lockgate.alias."
GATE = "lockgate.gate."
NOBODY = "-"
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ")  # what a tag may be called


class Proposal(NamedTuple):
    """An alias that was moved by another hand; the registry does not say whose or when.

    number: the registry's version that it names now, None where it was taken away. version: that version's id here, None
    where it came from elsewhere. expected: the number that the workspace says. by: the workspace that moved it, None
    where nobody knows. sentence, command: for a person.
    """

    model: str
    alias: str
    number: str | None
    version: str | None
    expected: str | None
    by: str | None
    sentence: str
    command: str | None


class Mirrored(NamedTuple):
    """did, could_not: sentences. problem: why nothing more could be done, None where the registry answered."""

    did: tuple[str, ...]
    could_not: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    problem: str | None


def mirror(
    records: Records, folders: VersionFolders, registry: Registry, *, owner: str, spec: MlflowSpec | None = None
) -> Mirrored:
    """Bring the registry to what the workspace says. Called again it finds nothing to do; after an outage it catches up.

    owner: names this workspace in the tags, so that two of them that share a registry leave each other's aliases alone.
    """
    turn = _Turn(records, folders, registry, owner, spec or MlflowSpec())
    problem = None
    try:
        for model in dict.fromkeys(version.model for version in records.all(Version)):
            turn.model(model)
    except StoreError as error:
        problem = error.message
    return Mirrored(tuple(turn.did), tuple(turn.could_not), tuple(turn.proposals), problem)


def owner_of(home: Path) -> str:
    """The workspace's own name in a shared registry: made once, kept in its folder."""
    file = home / "workspace.id"
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        home.mkdir(parents=True, exist_ok=True)
        fresh = home / f".workspace.{secrets.token_hex(4)}"
        fresh.write_text(secrets.token_hex(6))
        fresh.replace(file)
        return file.read_text().strip()


class Mirroring:
    """The mirror for a process that runs on: it looks when the workspace has moved, and now and then for other hands.

    A server that hangs holds a turn up for some twenty seconds, so a process with anything else to do gives it a thread.
    """

    def __init__(
        self,
        records: Records,
        folders: VersionFolders,
        registry: Registry,
        *,
        owner: str,
        spec: MlflowSpec | None = None,
        every_s: float = 300.0,
        again_s: float = 60.0,
    ) -> None:
        self._records, self._folders, self._registry = records, folders, registry
        self._owner, self._spec = owner, spec
        self._every_s, self._again_s = every_s, again_s
        self._seen: object = None
        self._next_s = -math.inf

    def turn(self, now_s: float) -> Mirrored | None:
        """What came of it; None where it was not time. After an outage it waits `again_s`, whatever moved meanwhile."""
        state = self._state()
        if now_s < self._next_s and (self._seen is None or state == self._seen):
            return None
        found = mirror(self._records, self._folders, self._registry, owner=self._owner, spec=self._spec)
        self._seen = state if found.problem is None else None
        self._next_s = now_s + (self._every_s if found.problem is None else self._again_s)
        return found

    def _state(self) -> object:
        """Changes whenever the registry should."""
        models = sorted({version.model for version in self._records.all(Version)})
        return [
            (
                model,
                self._records.count(Version, model),
                self._records.count(Verdict, model),
                self._records.get(Routing, model),
            )
            for model in models
        ]


class _Turn:
    """One turn over every model, and what came of it."""

    def __init__(
        self, records: Records, folders: VersionFolders, registry: Registry, owner: str, spec: MlflowSpec
    ) -> None:
        self._records, self._folders, self._registry = records, folders, registry
        self._owner, self._spec = owner, spec
        self.did: list[str] = []
        self.could_not: list[str] = []
        self.proposals: list[Proposal] = []

    def model(self, model: str) -> None:
        routing = self._records.get(Routing, model)
        verdicts = self._records.all(Verdict, model)
        held = self._registry.read(model)
        numbers = {tags[ID]: number for number, tags in reversed([*held.versions.items()]) if ID in tags}
        for version in shown_versions(self._records.all(Version, model), verdicts, routing):
            self._version(version, tags_of(version, verdicts), held, numbers)
        wanted = {
            self._spec.champion: routing.champion if routing else None,
            self._spec.challenger: routing.challenger if routing else None,
        }
        for alias, version_id in wanted.items():
            if version_id is None or version_id in numbers:  # one that could not be registered is no reason to move
                self._alias(model, alias, version_id and numbers[version_id], held)

    def _version(self, version: Version, tags: Mapping[str, str], held: Registered, numbers: dict[str, str]) -> None:
        number = numbers.get(version.id)
        try:
            if number is None:
                folder = self._folders.path(version.id)
                made = self._registry.add(version, folder, description=described(version), tags=tags)
                numbers[version.id] = made
                self.did.append(f"{version.short} is version {made} of {version.model}.")
                return
            fresh = {key: value for key, value in tags.items() if held.versions[number].get(key) != value}
            if fresh:
                self._registry.tag(version.model, number, fresh)
                self.did.append(f"{version.short}: {', '.join(sorted(fresh))}.")
        except (Conflict, NotFound) as error:
            self.could_not.append(f"{version.short}: {error.message}")

    def _alias(self, model: str, alias: str, wanted: str | None, held: Registered) -> None:
        now = held.aliases.get(alias)
        owner, written = _mark(held.tags.get(ALIAS + alias, ""))
        is_ours = owner in (None, self._owner)
        try:
            if now == wanted:
                if is_ours and (wanted is not None or owner):
                    self._remember(model, alias, (wanted,), held)
            elif (is_ours and now in written) or (now is None and not any(n in held.versions for n in written)):
                # Both numbers are remembered first: a crash between two writes must not look like another's hand.
                self._remember(model, alias, (now, wanted), held)
                self._registry.point(model, alias, wanted)
                self._remember(model, alias, (wanted,), held)
                self.did.append(f"{alias} of {model} is {f'version {wanted}' if wanted else 'nobody'} now.")
            else:
                self.proposals.append(self._proposal(model, alias, wanted, held, None if is_ours else owner))
        except Conflict as error:
            self.could_not.append(f"{alias} of {model}: {error.message}")

    def _remember(self, model: str, alias: str, numbers: tuple[str | None, ...], held: Registered) -> None:
        mark = " ".join((self._owner, *(number or NOBODY for number in numbers)))
        if held.tags.get(ALIAS + alias) != mark or len(numbers) > 1:
            self._registry.tag_model(model, {ALIAS + alias: mark})

    def _proposal(self, model: str, alias: str, wanted: str | None, held: Registered, owner: str | None) -> Proposal:
        now = held.aliases.get(alias)
        version_id = None if now is None else held.versions.get(now, {}).get(ID)
        version = None if version_id is None else self._records.get(Version, version_id)
        by = owner if owner is not None and now in _mark(held.tags[ALIAS + alias])[1] else None
        who = "Somebody" if by is None else f"The workspace {by}"
        what = "took it away" if now is None else f"moved it to version {now}"
        keeps = "nobody" if wanted is None else f"version {wanted}"
        if now is None:
            command = None
        elif version is None:
            command = f"lockgate import models:/{model}/{now} --model {model}"
        else:
            command = f"lockgate rollout start {version.short}"
        return Proposal(
            model=model,
            alias=alias,
            number=now,
            version=None if version is None else version.id,
            expected=wanted,
            by=by,
            sentence=f"{alias} of {model} is {keeps} here. {who} {what} in the registry, and there it stays.",
            command=command,
        )


def shown_versions(versions: list[Version], verdicts: list[Verdict], routing: Routing | None) -> Iterator[Version]:
    """Every candidate, and each other version that a candidate, a verdict or the routing names, in the order made.

    Each training makes four baselines; those that nothing was ever compared with would only bury the rest.
    """
    named = {version.baseline for version in versions if version.role == "candidate"}
    named |= {subject for verdict in verdicts for subject in verdict.subject}
    named |= set(routing.versions if routing else ())
    yield from (version for version in versions if version.role == "candidate" or version.id in named)


def tags_of(version: Version, verdicts: list[Verdict]) -> dict[str, str]:
    """What a person reads of a version in the registry: each gate's newest ruling, and the newest verdict's sentence."""
    parity = version.parity
    tags = {
        ID: version.id,
        "lockgate.name": version.short,
        "lockgate.role": version.role,
        "lockgate.dataset": str(version.lineage.dataset),
        "lockgate.features": version.lineage.features_hash[:12],
        "lockgate.parity": "not tried"
        if parity is None
        else f"{'passed' if parity.is_passed else 'native'}: {parity.reason}",
    }
    for verdict in verdicts:
        if verdict.subject[:1] == (version.id,):
            tags[f"{GATE}{_key(verdict.gate.name)}"] = f"{verdict.ruling.value} {verdict.id}"
            tags["lockgate.verdict"] = verdict.sentence
    return tags


def described(version: Version) -> str:
    """One sentence for the registry's page."""
    commit = version.lineage.commit
    code = (
        ""
        if commit is None
        else f" at commit {commit[:8]}{', with changes not committed' if version.lineage.is_dirty else ''}"
    )
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(version.metrics.items()))
    return (
        f"{version.role.capitalize()} {version.short}, trained on {version.lineage.dataset}{code}. Held out: {metrics}."
    )


def _mark(tag: str) -> tuple[str | None, tuple[str | None, ...]]:
    """Whose hand wrote an alias last, and the numbers it may have left there; None for no alias."""
    words = tag.split()
    return (words[0], tuple(None if word == NOBODY else word for word in words[1:])) if words else (None, ())


def _key(name: str) -> str:
    return "".join(letter if letter in _KEY else "_" for letter in name)[:200]
