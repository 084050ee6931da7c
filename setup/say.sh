# shellcheck shell=bash
# Sourced by the other scripts: messages in one form, so that the reader knows what to do next.

say() { printf '  %s\n' "$*" >&2; }

# fail WHERE SEEN LEFT DO: ends the script with exit code 2.
fail() {
    printf 'error: %s: %s; %s; %s\n' "$1" "$2" "$3" "$4" >&2
    exit 2
}
