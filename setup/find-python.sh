#!/usr/bin/env bash
# Prints the path of a Python that is new enough; PYTHON=/path/to/python3 chooses another.
set -euo pipefail
# shellcheck source=setup/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/say.sh"

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

candidates=("${PYTHON:-python3}" python3 python3.13 python3.12 python3.11)
if [ -d "${PYENV_ROOT:-$HOME/.pyenv}/versions" ]; then
    candidates+=("${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3)
fi
for candidate in "${candidates[@]}"; do
    if path=$(command -v "$candidate") && new_enough "$path"; then
        "$path" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
fail "python" "no Python 3.11 or newer among: ${candidates[*]}" "nothing was changed" \
    "install Python 3.11+ (Debian 12, Ubuntu 24.04: apt install python3) or name one: make PYTHON=/path/to/python3"
