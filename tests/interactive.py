"""Shells as a person uses them: on a terminal, with the tab key. Each says through a pipe what it
was about to offer, and what has become of the line."""

import os
import pty
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BASH = r"""
source "$SCRIPT"
bind 'set page-completions off' 'set completion-query-items 0' 'set bell-style none'
_watched() { _pyftrace "$@"; offered=("${COMPREPLY[@]}"); }
eval "$(complete -p pyftrace | sed 's/-F _pyftrace/-F _watched/')"
tell() { printf '%s\0' "${offered[@]}" "$READLINE_LINE" '' >"$PIPE"; offered=(); }
bind -x '"\C-xd": tell'
PROMPT_COMMAND='printf "\0\0" >"$PIPE"; PROMPT_COMMAND='
"""
ZSH = r"""
autoload -Uz compinit && compinit -u -D
source "$SCRIPT"
typeset -ga offered
compadd() {
    if (( ! ${@[(I)-[OAD]]} )); then
        local -a found
        builtin compadd -O found "$@"
        offered+=("${found[@]}")
    fi
    builtin compadd "$@"
}
tell() { printf '%s\0' "${offered[@]}" "$BUFFER" '' >"$PIPE"; offered=(); }
zle -N tell
bindkey '^Xd' tell
bindkey '^U' kill-whole-line
setopt no_beep
LISTMAX=9999
zle-line-init() { printf '\0\0' >"$PIPE"; zle -D zle-line-init }
zle -N zle-line-init
"""


class Answer(NamedTuple):
    """``line``: what was typed, as the tab key left it."""

    offered: list[str]
    line: str


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, words: list[str], cwd: Path, environment: dict[str, str]) -> None:
        self._path = cwd.parent / "pipe"
        os.mkfifo(self._path)
        self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self._ours, theirs = pty.openpty()
        self._shell = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment | {"PIPE": str(self._path), "TERM": "dumb", "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._told()

    def ask(self, text: str) -> Answer:
        """What the tab key does behind the text."""
        os.write(self._ours, b"\x15" + text.encode() + b"\t\x18d")
        *offered, line = self._told()
        return Answer(offered, line)

    def end(self) -> None:
        """The shell ends with its terminal."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._ours)
        os.close(self._pipe)
        self._path.unlink()

    def _told(self) -> list[str]:
        told, screen = b"", b""
        while not told.endswith(b"\0\0"):
            ready, _, _ = select.select([self._pipe, self._ours], [], [], 60)
            assert ready, f"the shell says nothing more; on its screen: {screen.decode()}"
            if self._ours in ready:
                screen += os.read(self._ours, 1 << 16)
            if self._pipe in ready:
                told += os.read(self._pipe, 1 << 16)
        return told.decode().split("\0")[:-2]


def bash(script: Path, cwd: Path, environment: dict[str, str]) -> Terminal:
    """With the script sourced."""
    start = script.with_suffix(".start")
    start.write_text(environment.get("BEFORE", "") + BASH)
    words = ["bash", "--noprofile", "--rcfile", str(start), "-i"]
    return Terminal(words, cwd, environment | {"SCRIPT": str(script)})


def zsh(script: Path, cwd: Path, environment: dict[str, str]) -> Terminal:
    """The same."""
    (script.parent / ".zshrc").write_text(ZSH)
    more = {"SCRIPT": str(script), "ZDOTDIR": str(script.parent)}
    return Terminal(["zsh", "-d", "-i"], cwd, environment | more)


class Fish:
    """fish tells without a terminal what it would offer."""

    def __init__(self, script: Path, cwd: Path, environment: dict[str, str]) -> None:
        self._script = script
        self._cwd = cwd
        self._environment = environment | {"HOME": str(script.parent)}

    def ask(self, text: str) -> Answer:
        """What the tab key does behind the text; the line is not known."""
        code = f"source {self._script}; complete -C $argv[1]"
        done = subprocess.run(
            ["fish", "--no-config", "-c", code, text],
            cwd=self._cwd, env=self._environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and not done.stderr, done.stderr
        return Answer([line.partition("\t")[0] for line in done.stdout.splitlines()], "")

    def end(self) -> None:
        """Nothing runs."""


Shell = Terminal | Fish
START: dict[str, Callable[[Path, Path, dict[str, str]], Shell]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": Fish,
}


def installed(name: str) -> bool:
    """Whether the shell is there, in a version that the script is for, and a terminal for it."""
    if name != "fish" and not _has_terminals():
        return False
    if name == "bash" and shutil.which("bash"):
        number = "echo ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}"
        return int(subprocess.check_output(["bash", "-c", number])) >= 44
    return shutil.which(name) is not None


def _has_terminals() -> bool:
    try:
        ends = pty.openpty()
    except OSError:  # a chroot may have none
        return False
    for end in ends:
        os.close(end)
    return True
