"""Completion for zsh."""

import re

from pyftrace import options as opts
from pyftrace.shells import FILES, FOLDERS, TARGET, Command, Option, Value, fill

SCRIPT = r"""#compdef pyftrace
# Completion of pyftrace for zsh, made by: pyftrace completion zsh

_pyftrace_list() { # WORDS: those that are not there yet, commas between
    local -a words=("$@")
    if compset -P '*,'; then
        words=(${words:#(@ALONE@)})
        local -a listed=(${(s:,:)${IPREFIX##*=}})
        words=(${words:|listed})
    fi
    compset -S ',*'
    compadd -S '' -a words
}

_pyftrace_target() {
    local -a verbs=(
@VERBS@
    )
    (( CURRENT == 2 )) && _describe -t verbs verb verbs
    _files
}

_pyftrace_behind() { # the target: as if pyftrace were not there
    if [[ $words[1] == - ]]; then _files; else _normal; fi
}

_pyftrace() {
    local command=
    if (( CURRENT > 2 )); then
        case $words[2] in
        @VERB_CASES@)
            command=$words[2]
            shift words
            (( CURRENT-- ))
            ;;
        esac
    fi
    case $command in
@COMMANDS@
    esac
}

if [[ $funcstack[1] == _pyftrace ]]; then
    _pyftrace "$@"
else
    compdef _pyftrace pyftrace
fi
"""


def script(commands: list[Command]) -> str:
    """All of it."""
    verbs = commands[1:]
    lines = []
    for command in commands:
        lines += _case(command)
    return fill(
        SCRIPT,
        COMMANDS=lines,
        VERBS=[f"        {_quoted(_name(v.name) + ':' + v.what)}" for v in verbs],
        VERB_CASES=" | ".join(command.name for command in verbs),
        ALONE="|".join(opts.ALONE),
    )


def _case(command: Command) -> list[str]:
    """Its branch: one call of _arguments."""
    target = command.operand.kind == TARGET
    specs = [spec for option in command.options for spec in _specs(option)]
    if target:
        # They end the options; what follows is theirs.
        specs += [
            f"(- *){name}+[{_text(row.help)}]:*: :_files"
            for row in opts.TARGETS
            for name in row.names
        ]
        first = "_files" if command.name else "_pyftrace_target"
        specs += [f"(-)1: :{first}", "*:: :_pyftrace_behind"]
    elif command.operand.kind:
        specs.append("*:" + _value(command.operand))
    begin = "_arguments -s -S" + (" -A '-?*'" if target else "")
    return [
        f"    {command.name or _quoted('')})",
        f"        {begin} : \\",
        *(f"            {_quoted(spec)} \\" for spec in specs[:-1]),
        f"            {_quoted(specs[-1])}",
        "        ;;",
    ]


def _specs(option: Option) -> list[str]:
    taken = ":" + _value(option.value) if option.value else ""
    alone = "*" if option.often else f"({' '.join(option.names)})"
    specs = []
    for name in option.names:
        glued = "" if not option.value else "=" if name.startswith("--") else "+"
        specs.append(f"{alone}{name}{glued}[{_text(option.what)}]{taken}")
    return specs


def _value(value: Value) -> str:
    """Its description, and how it is completed."""
    how = {FILES: "_files", FOLDERS: "_path_files -/"}.get(value.kind, " ")
    if value.kind == "list":
        how = f" _pyftrace_list {' '.join(value.words)}"
    elif value.words:
        how = f"({' '.join(value.words)})"
    return f"{_name(value.name)}:{how}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _name(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _text(text: str) -> str:
    return re.sub(r"([\\\[\]:])", r"\\\1", text)
