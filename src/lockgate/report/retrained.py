"""A retraining in words: why, on which window, by what evidence, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.records import Retraining, RetrainingState, WindowTried
from lockgate.report.words import when


def retraining_lines(found: Retraining, names: Mapping[str, str]) -> tuple[str, ...]:
    """names: by version's id, its short name."""
    again = "" if found.attempt == 1 else f", attempt {found.attempt}"
    asked = f"asked for {' and '.join(found.causes)} by {found.by}, {when(found.started_s)}"
    lines = [found.sentence, f"retraining {found.id}: {found.state}{again}; {asked}"]
    if found.dataset is not None:
        lines.append(f"on {found.dataset}, {found.rows:,} rows of it new from the log")
    lines += [f"window {window_words(one, is_chosen=one.name == found.window)}" for one in found.windows]
    if found.version is not None:
        lines.append(f"version {names.get(found.version, found.version)}; evidence: {', '.join(found.verdicts)}")
    if found.again_s is not None:
        lines.append(f"its plan is asked again {when(found.again_s)}")
    if found.cpu_s is not None:
        lines.append(f"it took {found.cpu_s:,.1f} s of CPU")
    return tuple(lines)


def following_of(found: Retraining) -> str:
    """The next command."""
    if found.is_under_way:
        return "lockgate status"
    if found.again_s is not None and found.version is not None:
        return f"lockgate plan {found.version[:6]}"
    if found.state is RetrainingState.MADE and found.version is not None:
        return f"lockgate rollout start {found.version[:6]}"
    if found.state is RetrainingState.REFUSED and found.verdicts:
        return f"lockgate why {found.verdicts[-1]}"
    return f"lockgate retrain {found.model} --now"


def window_words(one: WindowTried, *, is_chosen: bool = False) -> str:
    """One window as it was tried."""
    since = "" if one.since_s is None else f" since {when(one.since_s)}"
    if one.left_out:
        return f"{one.name!r}{since}: not tried, {one.left_out}"
    said = f"{one.name!r}{since}: {one.rows:,} rows"
    if one.loss is not None:
        said += f", loss {one.loss:.4f}"
    if one.estimate is not None and one.low is not None and one.high is not None and one.p is not None:
        said += f", {one.estimate:+.4f} [{one.low:+.4f}, {one.high:+.4f}] against the default, p {one.p:.2g}"
    return f"{said}; chosen" if is_chosen else said
