#!/bin/sh
# Makes .venv: `set-up.sh run` for what `make demo` needs, `set-up.sh dev` for everything.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
kind=$1
unfinished=.venv/.unfinished

fail() {
    printf 'set-up: %s\n' "$@" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

make_venv() {
    "$python" -m venv "$@" .venv || fail "$python cannot make a virtual environment" \
        "On Debian and Ubuntu install python3-venv, or name another: make PYTHON=... setup"
}

# An install that was killed leaves packages that look whole to pip: then .venv is made anew. One
# that failed before it put anything there (no network, versions that do not fit) costs nothing.
pip_install() {
    before=$(ls -a .venv/lib/python*/site-packages | cksum)
    touch "$unfinished"
    status=0
    .venv/bin/python -m pip install --disable-pip-version-check "$@" || status=$?
    after=$(ls -a .venv/lib/python*/site-packages | cksum)
    if [ "$status" -eq 0 ] || [ "$before" = "$after" ]; then rm -f "$unfinished"; fi
    [ -z "$interrupted" ] || exit 130
    [ "$status" -eq 0 ] || fail "pip could not install: $*" \
        "Its message is above; run the same command again once that is mended."
}

case $kind in run | dev) ;; *) fail "usage: set-up.sh run|dev" ;; esac
command -v "$python" >/dev/null || fail "there is no $python here" \
    "Name a Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12 setup"
fits "$python" || fail "Python 3.11, 3.12 or 3.13 is needed; $python is $("$python" -V 2>&1)" \
    "Name another: make PYTHON=/path/to/python3.12 setup"

if [ ! -d .venv ]; then
    make_venv
elif [ -e "$unfinished" ] || ! fits .venv/bin/python; then
    echo "set-up: the .venv here is half-made or of another Python: making it anew"
    make_venv --clear
fi
.venv/bin/python -c 'import pip' 2>/dev/null || .venv/bin/python -m ensurepip
# pip gets the same Ctrl-C and ends by itself; this script then looks at what it left behind.
interrupted=
trap 'interrupted=yes' INT TERM HUP

pip_install --upgrade pip
# torch first and by pip's own choice: whether it is the CPU or the CUDA build decides the rest.
pip_install -c constraints.txt torch
if [ "$kind" = dev ]; then
    vllm=$(.venv/bin/python -m harness.environment --vllm-extra)
    pip_install -c constraints.txt -e ".[all,dev${vllm:+,$vllm}]"
else
    pip_install -c constraints.txt -e ".[train,leaderboard]"
fi
.venv/bin/python -m harness.environment --mend

[ "$kind" = run ] || touch .venv/.set-up-dev
touch .venv/.set-up-run
