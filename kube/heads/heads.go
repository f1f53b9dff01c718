// Package heads bounds the heads of HTTP answers. Parsed, a head takes many times as much memory as its bytes.
package heads

import (
	"net/http"

	"fairlead/kube/fault"
)

// MaxBytes limits the head of an answer, of the API server as of a proxy on the route to it.
const MaxBytes = 64 << 10

// maxFields limits the fields of a head. API servers send about ten.
const maxFields = 256

// Check returns a *fault.Oversized if a head has more fields than any of an API server.
func Check(header http.Header) error {
	n := 0
	for _, values := range header {
		n += len(values)
	}
	if n > maxFields {
		return &fault.Oversized{Of: fault.Fields, Bound: maxFields}
	}
	return nil
}
