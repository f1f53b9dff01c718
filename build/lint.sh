#!/usr/bin/env bash
# The linters, all of them. This list is the whole choice: a new one goes here, with its version.
set -euo pipefail
cd "$(dirname "$0")/.."
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0
actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
misspell=github.com/golangci/misspell/cmd/misspell@v0.8.0

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
go run "$staticcheck" ./...
echo "doclint"
git ls-files -z '*.go' | xargs -0 go run ./build/doclint
echo "misspell"
# Not pictures, nor sums, nor the names of the Internet's top level, nor what fuzzers found.
git ls-files -z ':!*.png' ':!*.ico' ':!*.icns' ':!*.sum' ':!proxy/pac/toplevel.txt' ':!**/testdata/fuzz/**' | xargs -0 go run "$misspell" -error
echo "actionlint"
# Without shellcheck and pyflakes, which it runs where they happen to be.
go run "$actionlint" -shellcheck= -pyflakes=
