#!/usr/bin/env bash
# gofmt, go vet and staticcheck over the root module. $1 is staticcheck's module path with its version.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'not gofmt-ed:\n%s\n' "$unformatted" >&2
  exit 1
fi
echo "vet   linux"
go vet ./...
go vet -tags gnome ./app
go vet -tags node ./build/nodetest
for system in darwin windows; do
  echo "vet   $system"
  # Without cgo, as one builds for them from here; the programs that make and test Fairlead run on Linux only.
  CGO_ENABLED=0 GOOS=$system go vet ./app/... ./proxy/... ./kube/... ./assets/...
done
echo "staticcheck"
go run "$1" ./...
