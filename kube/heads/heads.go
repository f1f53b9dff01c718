// Package heads bounds the heads of HTTP answers. Parsed, a head takes many times as much memory as its bytes.
package heads

import (
	"net/http"

	"fairlead/kube/fault"
)

// MaxBytes limits the size of the head of an answer, whether of the API server or of a proxy on the route to it.
const MaxBytes = 64 << 10

// maxFields limits the fields of a head. API servers send about ten.
const maxFields = 256

// Check returns a *fault.Oversized if a head has many more fields than an API server sends.
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
