# shellcheck shell=bash
# What our scripts need of the machine: Debian packages, and a PostgreSQL server that lives as long as they. To be sourced by one that
# has `say` and `fail`.

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
    has apt-get && { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=120 \
        --no-install-recommends "$@" </dev/null >/dev/null
}

# The folder with initdb and pg_ctl; Debian keeps it off the PATH.
find_postgres() {
    local place
    for place in \
        "$(pg_config --bindir 2>/dev/null || true)" \
        "$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)" \
        "$(dirname "$(command -v initdb 2>/dev/null || echo /none/initdb)")"; do
        if [ -n "$place" ] && [ -x "$place/initdb" ] && [ -x "$place/pg_ctl" ]; then
            echo "$place"
            return
        fi
    done
}

# Debian's package makes and starts a server for the whole machine unless it is told not to.
install_postgres() {
    if ! dpkg -s postgresql-common >/dev/null 2>&1; then
        apt_install postgresql-common
        as_root sh -c 'echo "create_main_cluster = false" >>/etc/postgresql-common/createcluster.conf'
    fi
    apt_install postgresql
}

# From / because the user postgres may not enter the current folder.
postgres_command() {
    (cd / && LC_ALL=C "${postgres_as[@]}" "$postgres/$1" -D "$postgres_home/data" "${@:2}")
}

# start_postgres FOLDER OPTIONS: a new server below FOLDER, whose path must be short: that of a Unix socket has at most 107 bytes.
# Sets postgres_home and postgres_url; stop_postgres leaves nothing behind.
start_postgres() {
    postgres=$(find_postgres)
    [ -n "$postgres" ] || fail "the PostgreSQL server (initdb, pg_ctl) is missing, or was installed but is not where it should be"
    postgres_home=$(mktemp -d "$1/ufpg.XXXXXX")
    postgres_as=()
    if [ "$(id -u)" = 0 ]; then # initdb refuses to be root
        postgres_as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        has setpriv || postgres_as=(runuser -u postgres --)
        chown postgres "$postgres_home" || fail "root needs a user 'postgres' to run the PostgreSQL server as"
    fi
    local log
    log=$(mktemp "$1/ufpg.log.XXXXXX")
    say "PostgreSQL from $postgres, in $postgres_home"
    postgres_command initdb -U postgres -A trust -E UTF8 --locale=C --no-sync >"$log" 2>&1 ||
        { cat "$log" && fail "initdb failed"; }
    postgres_command pg_ctl -w -t 60 -l "$postgres_home/log" \
        -o "-c listen_addresses='' -c unix_socket_directories='$postgres_home' $2" start >"$log" 2>&1 ||
        { cat "$log" "$postgres_home/log" && fail "the PostgreSQL server does not start"; }
    rm -f "$log"
    # shellcheck disable=SC2034 # for the script that sources this
    postgres_url="postgresql:///postgres?host=$postgres_home&user=postgres"
}

stop_postgres() {
    [ -n "${postgres_home:-}" ] || return 0
    postgres_command pg_ctl -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$postgres_home"
}
