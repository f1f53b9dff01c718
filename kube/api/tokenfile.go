package api

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"

	"fairlead/kube/bearer"
	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
)

// A tokenFile puts the token in a file on requests. It applies a change of the file within seconds, and at once if the API
// server refuses the current token; client-go may need a minute.
type tokenFile struct {
	path    string
	context string
	token   atomic.Pointer[string]
}

func newTokenFile(path, contextName string) *tokenFile {
	return &tokenFile{path: path, context: contextName}
}

// set makes the file's content the token. It returns false and changes nothing if the content is not a valid token.
func (f *tokenFile) set(content []byte) bool {
	token := string(bytes.TrimSpace(content))
	if token == "" || strings.ContainsAny(token, "\r\n\x00") {
		return false
	}
	f.token.Store(&token)
	return true
}

// read sets the token from the file.
func (f *tokenFile) read() error {
	content, err := kubeconfig.ReadBounded(f.path)
	if err != nil {
		if machine := fault.OfMachine(&fs.PathError{Op: "open", Path: f.path, Err: err}); machine != nil {
			return machine
		}
	}
	if err != nil || !f.set(content) {
		return &fault.Login{Context: f.context, Cause: fault.LoginFile, Err: errors.New("its token file cannot be read, or is empty")}
	}
	return nil
}

func (f *tokenFile) wrap(next http.RoundTripper) http.RoundTripper {
	return &bearer.Transport{Next: next, Current: func() (string, func(bearer.Outcome), error) {
		if f.token.Load() == nil {
			if err := f.read(); err != nil {
				return "", nil, err
			}
		}
		return *f.token.Load(), func(o bearer.Outcome) {
			if o.Refused {
				_ = f.read() // if it fails, the next request uses the token that there is
			}
		}, nil
	}}
}
