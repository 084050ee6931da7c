#!/usr/bin/env bash
# Everything that can be judged without a Docker engine; says how long each part took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin
failed=()

check() {
    local name=$1 since=$SECONDS
    shift
    if "$@"; then
        printf '  %-12s ok      %3d s\n' "$name" $((SECONDS - since))
    else
        printf '  %-12s FAILED  %3d s\n' "$name" $((SECONDS - since))
        failed+=("$name")
    fi
}

# Says something only when it fails.
quiet() {
    local output
    output=$("$@" 2>&1) || { printf '%s\n' "$output"; return 1; }
}

check lint quiet $bin/ruff check -q .
check format $bin/ruff format -q --check .
check types $bin/mypy --no-error-summary
check imports quiet $bin/lint-imports --no-logo
check tests $bin/python -m pytest -q -n 3 --dist loadfile -m "not docker" --durations=5 --durations-min=2
[ ${#failed[@]} -eq 0 ] || { printf 'make check: failed: %s\n' "${failed[*]}" >&2; exit 1; }
