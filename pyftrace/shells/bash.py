"""Completion for bash."""

from pyftrace import options as opts
from pyftrace.shells import Command, Value, fill

SCRIPT = r"""# Completion of pyftrace for bash 4.4 or later, made by: pyftrace completion bash

_pyftrace_options() { # COMMAND: sets words
    case $1 in
@OPTIONS@
    esac
}

_pyftrace_value() { # COMMAND OPTION: sets kind and words; fails where it takes none
    kind='' words=''
    case $1/$2 in
@VALUES@
    *) return 1 ;;
    esac
}

_pyftrace_operand() { # COMMAND: sets kind and words
    kind='' words=''
    case $1 in
@OPERANDS@
    esac
}

_pyftrace_waiting() { # COMMAND WORD: sets waiting, to the option in WORD whose value comes next
    local kind words i
    waiting=''
    case $2 in
    --*=*) ;;
    --*) if _pyftrace_value "$1" "$2"; then waiting=$2; fi ;;
    *)
        for ((i = 1; i < ${#2}; i++)); do
            _pyftrace_value "$1" "-${2:i:1}" || continue
            if ((i == ${#2} - 1)); then waiting=-${2:i:1}; fi
            return
        done
        ;;
    esac
}

_pyftrace_offer() { # TYPED BEFORE PIECE: of kind and words what begins with TYPED, behind BEFORE
    local typed=$1 before=$2 word listed=''
    case $kind in
    files | target) return ;;
    folders)
        compopt +o default +o bashdefault -o dirnames
        return
        ;;
    esac
    compopt +o default +o bashdefault
    if [[ $kind == list ]]; then
        compopt -o nospace
        if [[ $typed == *,* ]]; then
            listed=,${typed%,*}, before+=${typed%,*}, typed=${typed##*,}
        fi
    fi
    for word in $words; do
        [[ $word == "$typed"* && $listed != *",$word,"* ]] || continue
        [[ -n $listed && $word == @(@ALONE@) ]] && continue
        word=$before$word
        # What bash puts the reply in place of is PIECE alone, the rest of the word stays.
        COMPREPLY+=("${word#"${cur%"$3"}"}")
    done
}

_pyftrace() {
    local line=${COMP_LINE:0:COMP_POINT} typed=() at=() i word
    COMPREPLY=()
    # Bash parts words at = and : too; what no blank parts belongs together. at: where each begins.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
            typed+=('') at+=("$i") line=${line#"${line%%[![:blank:]]*}"}
        fi
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)); then word=$line; fi
        typed[-1]+=$word line=${line#"$word"}
    done
    local last=$((${#typed[@]} - 1)) cur=${typed[-1]} command='' begin=1
    if ((last > 1)); then
        case ${typed[1]} in
        @VERB_CASES@) command=${typed[1]} begin=2 ;;
        esac
    fi

    local kind words waiting='' target=''
    _pyftrace_operand "$command"
    for ((i = begin; i < last; i++)); do
        word=${typed[i]}
        if [[ -n $waiting ]]; then
            waiting=''
        elif [[ $kind == target && $word == -- ]]; then
            target=$((i + 1))
            break
        elif [[ $kind == target && $word == @(@TARGETS@*|-|[!-]*) ]]; then
            target=$i
            break
        elif [[ $word == -?* ]]; then
            _pyftrace_waiting "$command" "$word"
        fi
    done

    if [[ -n $target ]]; then
        # Its words are completed as if pyftrace were not there, where bash-completion can do that.
        if ((target < last)) && [[ ${typed[target]} != -* ]]; then
            if declare -F _comp_command_offset >/dev/null; then
                _comp_command_offset "${at[target]}"
            elif declare -F _command_offset >/dev/null; then
                _command_offset "${at[target]}"
            fi
        fi
    elif [[ -n $waiting ]]; then
        _pyftrace_value "$command" "$waiting" && _pyftrace_offer "$cur" '' "$2"
    elif [[ $cur == --*=* ]]; then
        _pyftrace_value "$command" "${cur%%=*}" && _pyftrace_offer "${cur#*=}" "${cur%%=*}=" "$2"
    elif [[ $cur == -* ]]; then
        _pyftrace_options "$command"
        kind=words
        _pyftrace_offer "$cur" '' "$2"
    elif ((last == 1)) && [[ $cur != *[\\\"\']* ]]; then
        kind=words words='@VERBS@'
        _pyftrace_offer "$cur" '' "$2"
        compopt -o default
        if ((${#COMPREPLY[@]} > 0)); then
            compopt -o filenames
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
        fi
    else
        _pyftrace_offer "$cur" '' "$2"
    fi
}

complete -o bashdefault -o default -F _pyftrace pyftrace
"""


def script(commands: list[Command]) -> str:
    """All of it."""
    options, values, operands = [], [], []
    for command in commands:
        name = command.name or "''"
        options.append(f"    {name}) words='{' '.join(command.names)}' ;;")
        if command.operand.kind:
            operands.append(f"    {name}) {_kind(command.operand)} ;;")
        for option in command.options:
            if option.value is not None:
                cases = " | ".join(f"{command.name}/{name}" for name in option.names)
                values.append(f"    {cases}) {_kind(option.value)} ;;")
    verbs = [command.name for command in commands[1:]]
    return fill(
        SCRIPT,
        OPTIONS=options,
        VALUES=values,
        OPERANDS=operands,
        VERBS=" ".join(verbs),
        VERB_CASES=" | ".join(verbs),
        TARGETS="*|".join(name for row in opts.TARGETS for name in row.names),
        ALONE="|".join(opts.ALONE),
    )


def _kind(value: Value) -> str:
    words = f" words='{' '.join(value.words)}'" if value.words else ""
    return f"kind={value.kind or 'unknown'}{words}"
