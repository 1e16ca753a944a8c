"""The mirror: the registry shows what the workspace says, and another's hand on an alias is a proposal."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from lockgate.errors import Conflict, StoreError
from lockgate.records import (
    DatasetRef,
    Evidence,
    Gate,
    Lineage,
    MlflowSpec,
    Parity,
    Routing,
    Ruling,
    Verdict,
    Version,
)
from lockgate.store.folders import Folders
from lockgate.store.memory import MemoryRecords
from lockgate.store.memory_registry import MemoryRegistry
from lockgate.workspace.mirror import Mirroring, described, mirror, owner_of

HASH = "f" * 64


def version(name: str, *, role: str = "candidate", baseline: str | None = None) -> Version:
    return Version(
        id=hashlib.sha256(name.encode()).hexdigest(),
        model="late",
        name=name,
        role=role,  # type: ignore[arg-type]
        made_s=1_700_000_000.0,
        lineage=Lineage(
            dataset=DatasetRef(table="late", version=3, digest=HASH),
            train="t:fit",
            features="t:features",
            features_hash=HASH,
            commit="abcdef0123456789",
            is_dirty=True,
            environment=HASH,
            seed=0,
            run=None,
            trained_from_s=None,
            trained_until_s=None,
            rows=400,
        ),
        metrics={"log_loss": 0.31234, "auc": 0.8},
        parity=Parity(
            is_passed=True, rows=9, over_tolerance=0, worst=0, flips=0, tolerance=1e-4, reason="9 rows agree"
        ),
        baseline=baseline,
    )


RULE = version("rule", role="baseline")
UNUSED = version("majority", role="baseline")
OLD = version("old", baseline=RULE.id)
NEW = version("new", baseline=RULE.id)


def verdict(of: Version, ruling: Ruling, number: int, gate: str = "not worse (log_loss)") -> Verdict:
    return Verdict(
        id=f"v{number}",
        model="late",
        ruling=ruling,
        gate=Gate(
            name=gate,
            question="worth",
            claim="not worse",
            measure="log_loss",
            method="bootstrap",
            margin=0.0,
            alpha=0.05,
            guarantee="calibrated",
        ),
        evidence=Evidence(),
        subject=(of.id, RULE.id),
        sentence=f"Sentence {number}.",
        at_s=float(number),
        written_s=float(number),
    )


class World:
    """A workspace's records and folders, and a registry beside it."""

    def __init__(self, home: Path, registry: MemoryRegistry | None = None) -> None:
        self.records = MemoryRecords()
        self.folders = Folders(home / "versions")
        self.home = home
        self.registry = registry or MemoryRegistry()
        self.owner = owner_of(home)

    def add(self, *versions: Version) -> None:
        for item in versions:
            fresh = self.home / "fresh"
            fresh.mkdir(parents=True)
            self.folders.add(item.id, fresh)
        self.records.write(*versions)

    def route(self, champion: Version, challenger: Version | None = None) -> None:
        before = self.records.get(Routing, "late")
        self.records.write(
            Routing(
                model="late",
                revision=1 if before is None else before.revision + 1,
                champion=champion.id,
                challenger=None if challenger is None else challenger.id,
                baseline=RULE.id,
                constant=0.2,
            )
        )

    def mirror(self, spec: MlflowSpec | None = None):
        return mirror(self.records, self.folders, self.registry, owner=self.owner, spec=spec)

    def named(self) -> dict[str, str]:
        held = self.registry.read("late")
        return {alias: held.versions[number]["lockgate.name"].split("-")[0] for alias, number in held.aliases.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "a")
    made.add(UNUSED, RULE, OLD, NEW)
    made.route(OLD)
    return made


def number_of(world: World, wanted: Version) -> str:
    held = world.registry.read("late").versions
    return next(number for number, tags in held.items() if tags.get("lockgate.version") == wanted.id)


def test_candidates_and_the_versions_they_are_held_against_are_registered_in_the_order_made(world):
    did = world.mirror()
    held = world.registry.read("late").versions
    assert [(tags["lockgate.name"], tags["lockgate.role"]) for tags in held.values()] == [
        (RULE.short, "baseline"),
        (OLD.short, "candidate"),
        (NEW.short, "candidate"),
    ]
    assert did.problem is None
    assert did.proposals == ()
    assert world.named() == {"champion": "old"}


def test_a_second_look_finds_nothing_to_do_and_writes_nothing(world):
    world.mirror()
    before = world.registry.read("late")
    world.registry.tag = world.registry.tag_model = world.registry.point = world.registry.add = _refuse
    assert world.mirror() == ((), (), (), None)
    assert world.registry.read("late") == before


def _refuse(*_: object, **__: object) -> str:
    raise AssertionError("nothing was to be written")


def test_verdicts_are_written_back_the_newest_of_each_gate(world):
    world.mirror()
    world.records.write(
        verdict(NEW, Ruling.UNDECIDED, 1), verdict(NEW, Ruling.PASS, 2), verdict(NEW, Ruling.FAIL, 3, "harm")
    )
    did = world.mirror()
    tags = world.registry.read("late").versions[number_of(world, NEW)]
    assert tags["lockgate.gate.not worse _log_loss_"] == "pass v2"
    assert tags["lockgate.gate.harm"] == "fail v3"
    assert tags["lockgate.verdict"] == "Sentence 3."
    assert tags["lockgate.parity"] == "passed: 9 rows agree"
    assert tags["lockgate.dataset"] == "late@3#ffffffff"
    assert len(did.did) == 1
    assert "lockgate.gate.harm" in did.did[0]


def test_aliases_follow_a_rollout_from_its_start_to_its_end(world):
    spec = MlflowSpec(champion="prod", challenger="canary")
    world.mirror(spec)
    assert world.named() == {"prod": "old"}
    world.route(OLD, NEW)
    world.mirror(spec)
    assert world.named() == {"prod": "old", "canary": "new"}
    world.route(NEW)
    did = world.mirror(spec)
    assert world.named() == {"prod": "new"}
    assert did.proposals == ()


def test_an_alias_moved_by_hand_is_a_proposal_and_stays(world):
    world.mirror()
    world.registry.point("late", "champion", number_of(world, NEW))
    for _ in range(2):
        (found,) = world.mirror().proposals
        assert (found.alias, found.version, found.by) == ("champion", NEW.id, None)
        assert found.number == number_of(world, NEW)
        assert found.expected == number_of(world, OLD)
        assert found.command == f"lockgate rollout start {NEW.short}"
        assert "Somebody moved it to version 3" in found.sentence
    assert world.named() == {"champion": "new"}
    world.route(RULE)
    assert len(world.mirror().proposals) == 1
    assert world.named() == {"champion": "new"}


def test_a_proposal_that_was_taken_up_is_the_workspaces_own_alias_again(world):
    world.mirror()
    world.registry.point("late", "champion", number_of(world, NEW))
    world.route(NEW)
    assert world.mirror().proposals == ()
    world.route(OLD)
    assert world.mirror().proposals == ()
    assert world.named() == {"champion": "old"}


def test_an_alias_put_back_by_hand_is_no_proposal_any_more(world):
    world.mirror()
    world.registry.point("late", "champion", number_of(world, NEW))
    assert world.mirror().proposals
    world.registry.point("late", "champion", number_of(world, OLD))
    assert world.mirror().proposals == ()
    world.route(NEW)
    world.mirror()
    assert world.named() == {"champion": "new"}


def test_an_alias_taken_away_by_hand_is_a_proposal_and_stays_away(world):
    world.mirror()
    world.registry.point("late", "champion", None)
    (found,) = world.mirror().proposals
    assert (found.number, found.version, found.command) == (None, None, None)
    assert world.named() == {}


def test_the_marks_taken_away_as_well_say_that_the_workspace_may_write_again(world):
    world.mirror()
    world.registry.point("late", "champion", number_of(world, NEW))
    world.registry.point("late", "champion", None)
    world.registry.tag_model("late", {"lockgate.alias.champion": ""})
    assert world.mirror().proposals == ()
    assert world.named() == {"champion": "old"}


def test_an_alias_on_somebody_elses_version_proposes_its_import(world):
    foreign = world.registry.add(NEW, world.home, description="", tags={"team": "x"})
    world.registry.point("late", "champion", foreign)
    (found,) = world.mirror().proposals
    assert (found.number, found.version) == ("1", None)
    assert found.command == "lockgate import models:/late/1 --model late"
    assert world.registry.read("late").versions["1"] == {"team": "x"}
    assert world.registry.read("late").aliases["champion"] == "1"


def test_a_challenger_named_by_hand_is_a_proposal_where_nothing_is_rolled_out(world):
    world.mirror()
    world.registry.point("late", "challenger", number_of(world, NEW))
    (found,) = world.mirror().proposals
    assert (found.alias, found.version, found.expected) == ("challenger", NEW.id, None)
    assert "is nobody here" in found.sentence


def test_two_workspaces_on_one_registry_leave_each_others_aliases_alone(world, tmp_path):
    other = World(tmp_path / "b", world.registry)
    other.add(RULE, OLD, NEW)
    other.route(NEW)
    world.mirror()
    (found,) = other.mirror().proposals
    assert found.by == world.owner
    assert world.owner in found.sentence
    assert world.named() == {"champion": "old"}
    assert len(world.registry.read("late").versions) == 3  # the same version is registered once
    world.route(NEW)
    assert world.mirror().proposals == ()
    assert other.mirror().proposals == ()
    world.route(OLD)
    assert world.mirror().proposals == ()
    assert world.named() == {"champion": "old"}


class Failing(MemoryRegistry):
    """A registry that goes away after so many writes, before or after the write is done."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 10**9
        self.is_done_first = False

    def _spend(self, write):
        self.left -= 1
        if self.left < 0 and not self.is_done_first:
            raise StoreError("away")
        told = write()
        if self.left < 0:
            raise StoreError("away, but it had arrived")
        return told

    def add(self, version, folder, *, description, tags):
        return self._spend(lambda: MemoryRegistry.add(self, version, folder, description=description, tags=tags))

    def tag(self, model, number, tags):
        self._spend(lambda: MemoryRegistry.tag(self, model, number, tags))

    def tag_model(self, model, tags):
        self._spend(lambda: MemoryRegistry.tag_model(self, model, tags))

    def point(self, model, alias, number):
        self._spend(lambda: MemoryRegistry.point(self, model, alias, number))


@pytest.mark.parametrize("is_done_first", [False, True])
@pytest.mark.parametrize("after", range(14))
def test_an_outage_at_any_write_is_caught_up_with_and_never_taken_for_a_hand(tmp_path, after, is_done_first):
    registry = Failing()
    registry.is_done_first = is_done_first
    world = World(tmp_path / "a", registry)
    world.add(RULE, OLD, NEW)
    states = ((OLD, None), (OLD, NEW), (NEW, None))
    registry.left = after
    failed = 0
    for number, (champion, challenger) in enumerate(states):
        world.route(champion, challenger)
        world.records.write(verdict(NEW, Ruling.PASS, number))
        did = world.mirror()
        if did.problem is not None:
            assert did.problem.startswith("away")
            failed += 1
            registry.left = 10**9
            did = world.mirror()
        assert did.problem is None
        assert did.proposals == ()
        assert world.named() == {"champion": champion.name} | ({"challenger": challenger.name} if challenger else {})
        assert len(registry.read("late").versions) == 3
    assert failed == 1


def test_the_workspace_may_move_on_during_an_outage(tmp_path):
    for after in range(14):
        registry = Failing()
        world = World(tmp_path / str(after), registry)
        world.add(RULE, OLD, NEW)
        world.route(OLD)
        world.mirror()
        world.route(RULE)
        registry.left = after
        world.mirror()
        registry.left = 10**9
        world.route(NEW)
        assert world.mirror().proposals == ()
        assert world.named() == {"champion": "new"}


def test_a_version_whose_folder_is_gone_is_named_and_the_others_go_on(world, tmp_path):
    world.folders.path(OLD.id).rmdir()
    did = world.mirror()
    assert did.problem is None
    assert len(did.could_not) == 1
    assert OLD.short in did.could_not[0]
    assert [tags["lockgate.name"] for tags in world.registry.read("late").versions.values()] == [RULE.short, NEW.short]
    assert world.named() == {}


def test_a_version_that_the_registry_refuses_is_named_and_the_others_go_on(world):
    added = world.registry.add

    def add(version, folder, **more):
        if version.id == OLD.id:
            raise Conflict("too large")
        return added(version, folder, **more)

    world.registry.add = add
    did = world.mirror()
    assert did.could_not == (f"{OLD.short}: too large",)
    assert len(did.did) == 2


def test_the_description_names_data_code_and_metrics():
    assert described(OLD) == (
        f"Candidate {OLD.short}, trained on late@3#ffffffff at commit abcdef01, with changes not committed. "
        "Held out: auc 0.8, log_loss 0.3123."
    )
    clean = msgspec.structs.replace(OLD, lineage=msgspec.structs.replace(OLD.lineage, commit=None, is_dirty=None))
    assert "commit" not in described(clean)


def test_a_workspace_keeps_its_name(tmp_path):
    assert owner_of(tmp_path / "a") == owner_of(tmp_path / "a")
    assert owner_of(tmp_path / "a") != owner_of(tmp_path / "b")
    assert len(owner_of(tmp_path / "a")) == 12


def test_a_process_that_runs_on_looks_when_the_workspace_moves_and_now_and_then(world):
    mirroring = Mirroring(world.records, world.folders, world.registry, owner=world.owner)
    assert mirroring.turn(0.0).did
    assert mirroring.turn(1.0) is None
    world.route(NEW)
    assert len(mirroring.turn(2.0).did) == 1
    assert mirroring.turn(3.0) is None
    world.registry.point("late", "champion", number_of(world, OLD))
    assert mirroring.turn(301.0) is None
    assert len(mirroring.turn(303.0).proposals) == 1


def test_after_an_outage_it_waits_a_minute_and_then_catches_up(tmp_path):
    registry = Failing()
    world = World(tmp_path / "a", registry)
    world.add(OLD)
    world.route(OLD)
    mirroring = Mirroring(world.records, world.folders, registry, owner=world.owner)
    registry.left = 0
    assert mirroring.turn(0.0).problem == "away"
    registry.left = 10**9
    world.add(NEW)
    assert mirroring.turn(59.0) is None
    assert mirroring.turn(60.0).problem is None
    assert world.named() == {"champion": "old"}
