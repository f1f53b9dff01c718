#!/usr/bin/env bash
# Runs every fuzzer of the root module for $1 each (default 60s); "go test" runs them on the kept corpus only.
# Minimizing is limited because Go would spend up to a minute on each new input, and with long seeds do little else.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(go list ./...); do
  for fuzzer in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz  $package $fuzzer"
    go test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "${1:-60s}" -fuzzminimizetime 1s "$package"
  done
done
