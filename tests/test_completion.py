"""What the tab key offers is what the command line takes, in every shell that is installed."""

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

import interactive
import pytest
from conftest import Run, clean_environment

from pyftrace import cli, recording, shells
from pyftrace import options as opts
from pyftrace.commands import diff
from pyftrace.exports import FORMATS

PARSED = [verb for verb in cli.VERBS if verb not in cli.TARGETED]
FILES = ["app.py", "a file.py", "other [1].txt"]
FOLDERS = ["run.data", "old runs"]


def parser_of(verb: str) -> ArgumentParser:
    return import_module(f"pyftrace.commands.{verb}").parser()


def goes(row: opts.Row, record: bool) -> bool:
    """Whether the option may be given, as the command line itself decides it."""
    word = {"int": "1", "size": "1M", "reason": "exception", "text": "x", "append": "x"}
    value = row.choices[-1] if row.choices else word.get(row.kind, "")
    words = [row.names[-1], *([value] if row.takes_value else [])]
    if row.group == opts.REPORT and not record:
        words.append("--report")
    if words[0] == "--max-dumps":
        words.append("--dump-on=exception")
    try:
        opts.Options(record=record, **opts.parse(words)[0])
    except opts.OptionError:
        return False
    return True


def options_of(command: str) -> set[str]:
    """The words with a dash that it takes."""
    if command in PARSED:
        return set(parser_of(command)._option_string_actions)
    record = command in cli.TARGETED
    rows = [row for row in opts.TABLE if row.group != opts.HIDDEN and goes(row, record)]
    ends = opts.ENDS[-1:] if record else opts.ENDS
    return {name for row in (*rows, *ends, *opts.TARGETS) for name in row.names}


def test_help_and_completion_know_every_option():
    for command in shells.commands():
        assert set(command.names) == options_of(command.name)
        assert len(command.names) == len(set(command.names))


def test_every_metavar_has_a_kind():
    """One that names a file or a directory must be known as that."""
    values = [o.value for c in shells.commands() for o in c.options if o.value]
    values += [command.operand for command in shells.commands()]
    for value in values:
        named = any(word in value.name for word in ("FILE", "DIR", "PATH", "GLOB", "FOLDER"))
        assert named == (value.kind in (shells.FILES, shells.FOLDERS)), value


VALUES = {
    "--values": opts.VALUES,
    "--sort": opts.SORT_KEYS,
    "--columns": (*opts.COLUMNS, "all", "none"),
    "--format": opts.FORMATS,
    "--color": opts.COLORS,
    "record --values": opts.VALUES,
    "replay --color": opts.COLORS,
    "report --sort": recording.SORT.choices,
    "report --columns": (*recording.COLUMNS.choices, "all", "none"),
    "report --format": opts.FORMATS,
    "diff --sort": diff.SORT,
    "diff --format": ("text", "json"),
    "dump --format": tuple(FORMATS),
}
LISTS = ("--sort", "--columns", "report --sort", "report --columns")


def test_values_are_those_of_the_tables():
    found = {
        f"{command.name} {option.names[-1]}".strip(): option.value.words
        for command in shells.commands()
        for option in command.options
        if option.value and option.value.words
    }
    # Of a verb that is not named above, what argparse itself checks is enough.
    assert {name: found.pop(name) for name in VALUES} == VALUES
    for name, words in found.items():
        verb, option = name.split()
        if verb == "tui":
            assert words == VALUES[f"record {option}"]
            continue
        assert parser_of(verb)._option_string_actions[option].choices == words


# ---- in shells -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shell") / "here"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("")
    for name in FOLDERS:
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module", params=interactive.START)
def shell(
    request: pytest.FixtureRequest, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[interactive.Shell]:
    """Each, with the script it is given, in a folder with files and folders."""
    name: str = request.param
    if not interactive.installed(name):
        pytest.skip(f"no {name} here")
    words = [sys.executable, "-m", "pyftrace", "completion", name]
    done = subprocess.run(words, cwd=place, env=clean_environment(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    script = tmp_path_factory.mktemp(name) / f"pyftrace.{name}"
    script.write_bytes(done.stdout)
    shell = interactive.START[name](script, place, clean_environment(HOME=str(script.parent)))
    yield shell
    shell.end()


def offered(shell: interactive.Shell, text: str) -> list[str]:
    """What it offers, without the marks of folders and options that take a value."""
    return sorted(word.rstrip("/").rstrip("=") for word in shell.ask(text).offered)


@pytest.mark.parametrize("command", ["", *cli.VERBS])
def test_options_are_those_of_the_parser(command: str, shell: interactive.Shell):
    begin = f"pyftrace {command} ".replace("  ", " ")
    names = options_of(command)
    long = {name for name in names if name.startswith("--")}
    assert set(offered(shell, begin + "--")) == long
    short = set(offered(shell, begin + "-"))
    # zsh and fish leave a letter out where the long name does the same, if there is room for one.
    assert short == names or short >= long


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("glue", [" ", "="])
def test_values_are_those_of_the_parser(name: str, glue: str, shell: interactive.Shell):
    found = offered(shell, f"pyftrace {name}{glue}")
    assert [word.removeprefix(f"{name.split()[-1]}=") for word in found] == sorted(VALUES[name])


@pytest.mark.parametrize("name", LISTS)
def test_a_list_goes_on_behind_a_comma(name: str, shell: interactive.Shell):
    first, second = VALUES[name][:2]
    for glue in " =":
        found = offered(shell, f"pyftrace {name}{glue}{first},{second},")
        rest = {word.removeprefix(f"{name.split()[-1]}=").rpartition(",")[2] for word in found}
        assert rest == set(VALUES[name]) - {first, second, *opts.ALONE}


def test_the_first_word_is_a_verb_or_a_target(shell: interactive.Shell):
    assert set(offered(shell, "pyftrace ")) >= set(cli.VERBS)
    assert {"record", "replay", "report"} <= set(offered(shell, "pyftrace re"))
    assert not {"record", "replay", "report"} & set(offered(shell, "pyftrace -a re"))
    assert not {"record", "replay", "report"} & set(offered(shell, "pyftrace record re"))


@pytest.mark.parametrize("text", ["pyftrace ", "pyftrace -a ", "pyftrace record ", "pyftrace -- "])
def test_a_target_is_a_file(text: str, shell: interactive.Shell, place: Path):
    after(shell, f"{text}ap", f"{text}app.py ")


@pytest.mark.parametrize("verb", [v for v in PARSED if v != "completion"])
def test_a_recording_is_a_folder(verb: str, shell: interactive.Shell):
    after(shell, f"pyftrace {verb} ru", f"pyftrace {verb} run.data/")
    assert not any(word.startswith("app") for word in offered(shell, f"pyftrace {verb} ap"))


def test_the_value_of_an_option_is_a_file_or_a_folder(shell: interactive.Shell):
    after(shell, "pyftrace -o ap", "pyftrace -o app.py ")
    after(shell, "pyftrace dump --output ap", "pyftrace dump --output app.py ")
    after(shell, "pyftrace --output=ap", "pyftrace --output=app.py ")
    after(shell, "pyftrace record -o ru", "pyftrace record -o run.data/")
    assert not any(word.startswith("app") for word in offered(shell, "pyftrace record -o ap"))
    assert offered(shell, "pyftrace -d ") == []


def test_a_file_with_blanks_is_one_word(shell: interactive.Shell):
    after(shell, "pyftrace a\\ f", "pyftrace a\\ file.py ")
    after(shell, "pyftrace -ao a\\ f", "pyftrace -ao a\\ file.py ")
    after(shell, "pyftrace replay ol", "pyftrace replay old\\ runs/")
    after(shell, "pyftrace oth", "pyftrace other\\ \\[1\\].txt ")


@pytest.mark.parametrize(
    "begin",
    ["app.py", "-a app.py", "-d 3 app.py", "-ad 3 app.py", "--depth 3 app.py", "-ad3 app.py",
     "-f a:b app.py", "--sort=self app.py", "record app.py", "record --dump-on slow:f:1ms app.py",
     "-- app.py", "-m package", "-c pass", "-"],
)  # fmt: skip
def test_behind_the_target_nothing_is_ours(begin: str, shell: interactive.Shell):
    found = offered(shell, f"pyftrace {begin} --")
    assert not any(word.startswith("-") for word in found)
    after(shell, f"pyftrace {begin} ap", f"pyftrace {begin} app.py ")


@pytest.mark.parametrize(
    "begin", ["-d 3", "-ad 3", "-ad3", "--depth 3", "--depth=3", "-f a:b", "--sort self", "-v -v"]
)
def test_before_the_target_options_go_on(begin: str, shell: interactive.Shell):
    assert "--quiet" in offered(shell, f"pyftrace {begin} --")
    assert "--quiet" in offered(shell, f"pyftrace record {begin} --") or "sort" in begin


@pytest.mark.parametrize("verb", [v for v in PARSED if v != "completion"])
def test_behind_a_recording_options_go_on(verb: str, shell: interactive.Shell):
    assert set(offered(shell, f"pyftrace {verb} run.data --")) >= {"--help"}


def test_shells_of_the_verb_completion(shell: interactive.Shell):
    assert offered(shell, "pyftrace completion ") == sorted(shells.SHELLS)


def after(shell: interactive.Shell, typed: str, line: str) -> None:
    """What the line has become; of fish, that the word is offered."""
    answer = shell.ask(typed)
    if isinstance(shell, interactive.Fish):
        word = line.rstrip(" ").replace("\\ ", "\0").rpartition(" ")[2].replace("\0", " ")
        assert word.replace("\\", "") in answer.offered
    else:
        assert answer.line == line


def test_a_target_is_completed_as_without_us_where_bash_completion_is(
    place: Path, tmp_path: Path, pyftrace: Run
):
    library = Path("/usr/share/bash-completion/bash_completion")
    if not interactive.installed("bash") or not library.exists():
        pytest.skip("no bash-completion here")
    script = tmp_path / "pyftrace.bash"
    script.write_text(pyftrace("completion", "bash").stdout)
    own = "source " + str(library) + "\ncomplete -W 'alpha beta' tool\n"
    shell = interactive.bash(script, place, clean_environment(BEFORE=own, HOME=str(tmp_path)))
    try:
        assert shell.ask("pyftrace record -d 3 tool al").line == "pyftrace record -d 3 tool alpha "
        assert shell.ask("pyftrace -f a:b tool b").line == "pyftrace -f a:b tool beta "
    finally:
        shell.end()


@pytest.mark.parametrize("words", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_is_refused(words: list[str], pyftrace: Run):
    done: CompletedProcess[str] = pyftrace("completion", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
