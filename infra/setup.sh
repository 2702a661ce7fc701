#!/bin/sh
# Brings a machine to where everything else of this project can run: Debian packages, then the Python environment.
# Called by `make setup`; a second call finds both done and takes a fraction of a second.
#
# Leaves alone: installed packages (apt-get may not remove any), running services, and the host's own Docker engine.
# Without root or apt-get it only names the programs that are missing: the hermetic tests and
# `make verify TARGET=...` against a cluster that exists already need nothing but the Python environment.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
lock=requirements/dev.txt

# --- Debian packages ---------------------------------------------------------------------------------------------
# Asked for by program, not by package name: on a machine with Docker's own packages containerd.io supplies containerd
# and runc, and Debian's packages of these would want it removed.
missing=""
need() { # PROGRAM PACKAGE
    if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; then missing="$missing $2"; fi
}
need containerd containerd
need runc runc
need iptables iptables
need conntrack conntrack
need docker-registry docker-registry
need haproxy haproxy
need debootstrap debootstrap
need ip iproute2
need mkfs.ext4 e2fsprogs
need nsenter util-linux
need losetup mount
need git git
need make make
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing="$missing containernetworking-plugins"
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
# A Docker engine that answers is used as it is. Otherwise the cluster starts one of its own and needs the program.
if ! PATH="$PATH:/usr/sbin:/sbin" command -v dockerd >/dev/null 2>&1; then
    docker info >/dev/null 2>&1 || missing="$missing docker.io"
fi
# What this script makes only for its own time.
ours=""
trap 'rm -f $ours' EXIT
trap 'exit 130' INT TERM
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then missing="$missing python3-venv"; fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "setup: installing$missing"
        # dpkg's maintainer scripts would start containerd, dockerd, haproxy and docker-registry on the host, and a
        # dockerd there sets the FORWARD policy to DROP. Exit status 101 of policy-rc.d forbids it (invoke-rc.d(8)).
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
            ours=$policy
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        # shellcheck disable=SC2086 # a list of words
        apt-get install -y -qq --no-install-recommends --no-remove $missing >/dev/null
        # Nor shall they start at the next boot, unless they were there before.
        for package in $missing; do
            case $package in
            docker.io) service=docker ;;
            containerd | haproxy | docker-registry) service=$package ;;
            *) continue ;;
            esac
            update-rc.d "$service" disable >/dev/null 2>&1 || true
            [ ! -d /run/systemd/system ] || systemctl disable --quiet "$service" docker.socket >/dev/null 2>&1 || true
        done
        python=/usr/bin/python3
    else
        echo "setup: the embedded cluster needs these Debian packages, and installing them needs root and apt-get:$missing" >&2
        if [ -z "$python" ]; then exit 1; fi
    fi
fi

# --- Python environment ------------------------------------------------------------------------------------------
# The stamp holds what the environment was made from, so a changed lock or interpreter is noticed.
stamp=$venv/.synced-with
wanted="$(sha256sum "$lock" | cut -d' ' -f1) $("$python" -c 'import sys; print(sys.version.split()[0])')"
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is $("$python" -V), needed is Python 3.11 or newer" >&2
    exit 1
}
echo "setup: Python environment in $venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if [ ! -x "$venv/bin/uv" ]; then
    # uv's own entry of the lock, version and hashes: what installs the rest is checked like the rest.
    own=$(mktemp)
    ours="$ours $own"
    awk '/^[^ #]/ { on = /^uv==/ } on && /[^ ]/ && !/^ *#/' "$lock" >"$own"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$own"
fi
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
printf '%s\n' "$wanted" >"$stamp"
