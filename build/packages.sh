#!/usr/bin/env bash
# Ensures that the Debian packages that the tests use (a real panel, a browser, curl, git) are installed: as root it
# installs the missing ones without starting their services, otherwise it prints the command that does and fails. It
# never skips. Arguments are files with further packages.
set -euo pipefail
mapfile -t wanted < <(grep -hvE '^\s*(#|$)' "$(dirname "$0")/desktoptest/packages.txt" "$@")

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "The tests need these programs, named here as Debian's packages: ${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "The tests need more programs. Install them with:" >&2
  echo "  sudo apt-get update && sudo $install" >&2
  exit 1
fi
echo "install ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # Debian's packages run it before they start a service
if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; fi
trap 'rm -f "$log" ${policy:+"$policy"}' EXIT
if ! { apt-get -o DPkg::Lock::Timeout=300 update && apt-get -o DPkg::Lock::Timeout=300 ${install#apt-get}; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  exit 1
fi
