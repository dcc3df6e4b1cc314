# Steps with a name, a time and a limit, for the commands beside this file; sourced at the top of the repository.
# shellcheck shell=bash

# Within this many seconds everything has ended, well or not: set by the command.
: "${LIMIT:?}"
# One target folder for all steps, wherever they run.
export CARGO_TARGET_DIR="$PWD/target"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# Everything is built once: what only a second build would use costs a tenth of the time.
export CARGO_INCREMENTAL=0

scratch=$(mktemp -d)
leave() {
    status=$?
    summary
    rm -rf "$scratch"
    exit "$status"
}
trap leave EXIT

heading() { printf '\n=== %4d s: %s\n' "$SECONDS" "$*"; }

summary() {
    [ -s "$scratch/times" ] || return 0
    printf '\n seconds  from    to  step\n'
    while read -r from to name; do printf '%8d %5d %5d  %s\n' "$((to - from))" "$from" "$to" "$name"; done <"$scratch/times"
    printf '%8d  in all\n' "$SECONDS"
}

# Runs a command as a step. Its seconds are part of the summary, also when it fails.
step() {
    heading "$*"
    local from=$SECONDS status=0
    timeout --kill-after=30 "$((LIMIT - SECONDS))" "$@" || status=$?
    echo "$from $SECONDS $*" >>"$scratch/times"
    return "$status"
}

# What must be installed: on Debian as root it is.
install_packages() {
    command -v apt-get >/dev/null || return 0
    local missing=() package
    for package in g++ make pkg-config libssl-dev zlib1g-dev; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    command -v java >/dev/null || missing+=(openjdk-17-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    command -v go >/dev/null || missing+=(golang)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    [ "${#missing[@]}" -gt 0 ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    step apt-get update -qq
    step apt-get install -qq --yes --no-install-recommends "${missing[@]}"
}

# Runs `cargo test` with what is given, as a step, and says how many tests passed, failed and were ignored.
tests() {
    local status=0
    step cargo test --no-fail-fast "$@" 2>&1 | tee "$scratch/tests" || status=$?
    awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
         END { printf "\n%d tests passed, %d failed, %d ignored\n", passed, failed, ignored }' "$scratch/tests"
    return "$status"
}
