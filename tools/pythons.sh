# Sourced by what runs on every Python: pyenv's 3.12 and 3.13, and those of a Debian chroot. Bash.
chroot_dir=${PYFTRACE_PYTHONS:-/var/cache/pyftrace/forky}

copy_tree() { # FOLDER: of what git knows and what it does not ignore
    mkdir -p "$1"
    git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$1"
}

python_of() { # VERSION: pyenv's
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3 2>/dev/null | tail -n 1
}

# What is mounted for the chroot is its processes' alone and goes with them; being a mount itself, it
# lets them mount within.
chroot_mounts='mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

prepare_chroot() {
    [ "$(id -u)" -eq 0 ] && tools/make-pythons "$chroot_dir" || return 1
    [ -e "$chroot_dir/dev/null" ] || mknod -m 666 "$chroot_dir/dev/null" c 1 3 2>/dev/null
    in_chroot true
}

in_chroot() { # COMMANDS
    unshare --mount --propagation private sh -c "$chroot_mounts" "$chroot_dir" \
        /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LANG=C.UTF-8 CI="${CI:-}" PYFTRACE_FAULTS="${PYFTRACE_FAULTS:-}" LONG="${LONG:-}" \
        PROGRAMS="${PROGRAMS:-}" ARGS="${ARGS:-}" SUITE="${SUITE:-}" UPDATE="${UPDATE:-}" sh -c "$1"
}

chroot_ready=unknown freethreaded=unknown
is_there() { # VERSION, in the chroot; made first where that is needed
    if [ $chroot_ready = unknown ]; then
        if prepare_chroot; then chroot_ready=yes; else chroot_ready=no; fi
    fi
    [ $chroot_ready = yes ] || return 1
    case $1 in
    *t | *t-tsan)
        [ $freethreaded = unknown ] && { tools/make-freethreaded "$chroot_dir"; freethreaded=$?; }
        [ "$freethreaded" = 0 ]
        ;;
    *) [ -e "$chroot_dir/usr/bin/python$1" ] ;;
    esac
}
