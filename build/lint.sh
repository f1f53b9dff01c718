#!/usr/bin/env bash
# All linters. A new one is added here, with its version.
set -euo pipefail
cd "$(dirname "$0")/.."
errcheck=github.com/kisielk/errcheck@v1.9.0
errorlint=github.com/polyfloyd/go-errorlint@v1.8.0
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
go vet -tags desktops ./app
go vet -tags node ./build/nodetest
for system in darwin windows; do
  echo "vet   $system"
  # Without cgo, as in a cross build; the programs that build and test Fairlead run on Linux only.
  CGO_ENABLED=0 GOOS=$system go vet ./app/... ./proxy/... ./kube/... ./assets/...
done
echo "staticcheck"
go run "$staticcheck" ./...
echo "errcheck"
# Not in tests: what they could not write is missed by what waits for it.
go run "$errcheck" -ignoretests -exclude build/errcheck.txt ./...
echo "errorlint"
# Not in tests: they may demand an error itself, as io.Reader demands io.EOF.
go run "$errorlint" -test=false ./...
echo "doclint"
git ls-files -z '*.go' | xargs -0 go run ./build/doclint
echo "misspell"
# Not pictures, checksums, top-level domains or the corpora of fuzzers.
git ls-files -z ':!*.png' ':!*.ico' ':!*.icns' ':!*.sum' ':!proxy/pac/toplevel.txt' ':!**/testdata/fuzz/**' | xargs -0 go run "$misspell" -error
echo "actionlint"
# Without shellcheck and pyflakes, which it would run only if they are installed.
go run "$actionlint" -shellcheck= -pyflakes=
