"""The documentation is tested: words are defined once, commands are described, links lead somewhere."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from typer.main import get_command

from lockgate.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX_ADDRESS = re.compile(r"https?://[^\s\"'<>]*/(?:simple|packages)(?:[/\s\"']|$)|file:/{2,3}\S*/simple\b")
INDEX_OPTION = re.compile(r"(?:index[-_]url|find[-_]links|registry)\b[\s=:\"']+(?:https?|file):/")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
WEB = "https:"  # an address written whole would be found in this very file
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def tracked() -> list[Path]:
    """What git has or is about to have; every file here where there is no git."""
    ask = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(ask, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: what is committed cannot be told from what lies about")
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def glossary_terms() -> list[str]:
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", text(DOCS / "glossary.md"), re.MULTILINE)
    return [term for term in rows if term != "word"]


def commands() -> dict[str, object]:
    """Every command that a person can type, by its full name: `rollout start`, not `start`."""
    found: dict[str, object] = {}

    def walk(command: object, name: str) -> None:
        children = getattr(command, "commands", None)
        if name:
            found[name] = command
        for child, below in (children or {}).items():
            if not below.hidden:
                walk(below, f"{name} {child}".strip())

    walk(get_command(app), "")
    return found


COMMANDS = commands()


def anchors(path: Path) -> set[str]:
    """The anchors that a markdown file offers, by GitHub's rule."""
    titles = re.findall(r"^#+\s+(.+?)\s*$", FENCE.sub("", text(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_glossary_is_a_table_of_words():
    assert len(glossary_terms()) > 40


@pytest.mark.parametrize("term", sorted(set(glossary_terms())))
def test_term_is_defined_once(term: str):
    assert Counter(word.lower() for word in glossary_terms())[term.lower()] == 1


def test_there_are_commands():
    assert COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_is_described_in_the_docs(name: str):
    assert re.search(rf"\blockgate {re.escape(name)}\b", text(DOCS / "cli.md"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_help(name: str):
    assert (getattr(COMMANDS[name], "help", None) or "").strip(), f"lockgate {name} --help says nothing"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_option_of_a_command_has_help(name: str):
    options = [param for param in COMMANDS[name].params if param.param_type_name == "option"]
    assert [param.name for param in options if not (param.help or "").strip()] == []


def test_no_file_names_a_package_index():
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(text(path).splitlines(), 1)
        if INDEX_ADDRESS.search(line) or INDEX_OPTION.search(line)
    ]
    assert named == []


@pytest.mark.parametrize(
    "line",
    [f"see {WEB}//pypi.example/simple/numpy/", f"{WEB}//mirror.example/simple", f"--index-url {WEB}//mirror.example"],
)
def test_an_index_address_would_be_seen(line: str):
    assert INDEX_ADDRESS.search(line) or INDEX_OPTION.search(line)


def test_no_file_names_the_folder_it_was_written_in():
    if len(ROOT.parts) < 3:
        pytest.skip("a checkout this close to the root has a name that may mean anything")
    assert [str(path.relative_to(ROOT)) for path in tracked() if f"{ROOT}/" in text(path)] == []


def test_links_between_markdown_files_resolve():
    broken = []
    for page in (path for path in tracked() if path.suffix == ".md"):
        for link in LINK.finditer(FENCE.sub("", text(page))):
            name, _, anchor = link["target"].partition("#")
            if re.match(r"[a-z]+:", name):
                continue
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link['target']}")
    assert broken == []


def test_the_readme_shows_code():
    assert any(
        re.match(r"```(?:bash|sh|shell|console|python)\n", block) for block in FENCE.findall(text(ROOT / "README.md"))
    )


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z0-9]+)", text(ROOT / "CONTRIBUTING.md")))))
def test_make_target_named_in_the_docs_exists(target: str):
    assert re.search(rf"^{target}:", text(ROOT / "Makefile"), re.MULTILINE)


def test_commands_that_docs_name_exist():
    titles = re.findall(r"^#+ `?lockgate ([a-z][a-z-]*(?: [a-z][a-z-]*)?)`?\s*$", text(DOCS / "cli.md"), re.MULTILINE)
    assert sorted(set(titles) - set(COMMANDS)) == []
