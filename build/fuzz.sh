#!/usr/bin/env bash
# Runs every fuzzer of the root module for $1 each (60s): what "go test" runs on the kept corpus only. Go would spend up to a
# minute on making each new input smaller, and with long seeds run little else.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(go list ./...); do
  for fuzzer in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz  $package $fuzzer"
    go test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "${1:-60s}" -fuzzminimizetime 1s "$package"
  done
done
