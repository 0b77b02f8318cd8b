#!/bin/sh
# Installs what tests start besides Python packages: servers, and what builds images. From Debian's
# packages, as root; anybody else is told what is missing.
set -eu

missing=
need() { # need PACKAGE PROGRAM...: one of the programs is enough
    package=$1
    shift
    for program in "$@"; do
        if command -v "$program" >/dev/null; then return; fi
    done
    missing="$missing $package"
}

PATH="$PATH:/usr/sbin:/usr/lib/postgresql/15/bin"
need openssl openssl
need prometheus promtool
need redis-server redis-server
need postgresql postgres
need buildah buildah
need crun crun runc
need chromium chromium
need debootstrap debootstrap
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests start programs that are missing here. On Debian and Ubuntu:" >&2
    echo "  sudo apt-get install$missing" >&2
    exit 1
fi
apt-get update --quiet
# shellcheck disable=SC2086 # One word for each package.
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install --quiet --yes --no-install-recommends $missing
