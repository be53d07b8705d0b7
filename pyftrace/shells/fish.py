"""Completion for fish."""

from collections.abc import Iterable

from pyftrace import options as opts
from pyftrace.shells import FILES, FOLDERS, TARGET, Command, Value, fill

SCRIPT = r"""# Completion of pyftrace for fish, made by: pyftrace completion fish

function __pyftrace_words # prints the command, then the words from its target on
    set -l words (commandline -opc)[2..-1]
    set -l command pyftrace
    if contains -- "$words[1]" @VERBS@
        set command $words[1]
        set -e words[1]
    end
    echo $command
    contains -- $command @TRACING@; or return
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case @TARGETS@ -
                break
            case '--*=*'
            case @LONG@
                set -e words[1]
            case '-*'
                string match -qr -- '^-[@SWITCHES@]*[@SHORT@]$' $words[1]; and set -e words[1]
            case '*'
                break
        end
        set -e words[1]
    end
    string join \n -- $words
end

function __pyftrace_at -a command
    set -l words (__pyftrace_words)
    test "$words[1]" = $command; and not set -q words[2]
end

function __pyftrace_first
    test (count (commandline -opc)) -eq 1
end

function __pyftrace_in_target
    set -l words (__pyftrace_words)
    set -q words[2]
end

function __pyftrace_target # its words are completed as if pyftrace were not there
    set -l words (__pyftrace_words)[2..-1]
    if string match -q -- '-*' $words[1]
        __fish_complete_path (commandline -ct)
        return
    end
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

function __pyftrace_list # WORDS: those that are not there yet, behind those that are
    set -l typed (commandline -ct | string replace -r '^--[^=]*=' '')
    set -l before (string match -r '.*,' -- $typed)
    for word in $argv
        contains -- $word (string split , -- $typed); and continue
        test -n "$before"; and contains -- $word @ALONE@; and continue
        echo "$before$word"
    end
end

complete -c pyftrace -e
complete -c pyftrace -n __pyftrace_in_target -f -a '(__pyftrace_target)'
@LINES@
"""


def script(commands: list[Command]) -> str:
    """All of it."""
    tracing = [command for command in commands if command.operand.kind == TARGET]
    options = [option for command in tracing for option in command.options]
    valued = [name for o in options if o.value for name in o.names]
    switches = [name for o in options if not o.value for name in o.names]
    lines = [
        f"complete -c pyftrace -n __pyftrace_first -a {command.name} -d {_quoted(command.what)}"
        for command in commands[1:]
    ]
    for command in commands:
        lines += _lines(command)
    return fill(
        SCRIPT,
        LINES=lines,
        VERBS=" ".join(command.name for command in commands[1:]),
        TRACING=" ".join(command.name or "pyftrace" for command in tracing),
        TARGETS=" ".join(f"'{name}*'" for row in opts.TARGETS for name in row.names),
        LONG=" ".join(_unique(name for name in valued if name.startswith("--"))),
        SHORT="".join(_unique(name[1] for name in valued if len(name) == 2)),
        SWITCHES="".join(_unique(name[1] for name in switches if len(name) == 2)),
        ALONE=" ".join(opts.ALONE),
    )


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lines(command: Command) -> list[str]:
    begin = f"complete -c pyftrace -n '__pyftrace_at {command.name or 'pyftrace'}'"
    lines = [] if command.operand.kind == TARGET else [begin + _taken(command.operand, "-f")]
    for option in command.options:
        names = "".join(
            f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
            for name in option.names
        )
        taken = _taken(option.value, "-x") if option.value else ""
        lines.append(f"{begin}{names}{taken} -d {_quoted(option.what)}")
    if command.operand.kind == TARGET:
        for row in opts.TARGETS:
            lines += [f"{begin} -s {name[1:]} -x -d {_quoted(row.help)}" for name in row.names]
    return lines


def _taken(value: Value, only: str) -> str:
    """What stands for it; `only`: the option that says that other files do not."""
    if value.kind == FILES:
        return " -r -F"
    if value.kind == FOLDERS:
        return f" {only} -a '(__fish_complete_directories (commandline -ct))'"
    if value.kind == "list":
        return f" {only} -a '(__pyftrace_list {' '.join(value.words)})'"
    return f" {only}" + (f" -a '{' '.join(value.words)}'" if value.words else "")
