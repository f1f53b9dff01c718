package api

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"

	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
)

// A tokenFile puts the token of a file on requests. It takes another one up within seconds, and at once when the API
// server does not accept the one it has: client-go takes up to a minute.
type tokenFile struct {
	path    string
	context string
	token   atomic.Pointer[string]
}

func newTokenFile(path, contextName string) *tokenFile {
	return &tokenFile{path: path, context: contextName}
}

// take makes what a file holds the token, unless that is empty.
func (f *tokenFile) take(content []byte) bool {
	token := string(bytes.TrimSpace(content))
	if token == "" || strings.ContainsAny(token, "\r\n\x00") {
		return false
	}
	f.token.Store(&token)
	return true
}

// read reads the file now.
func (f *tokenFile) read() error {
	content, err := kubeconfig.ReadBounded(f.path)
	if err != nil {
		if machine := fault.OfMachine(&fs.PathError{Op: "open", Path: f.path, Err: err}); machine != nil {
			return machine
		}
	}
	if err != nil || !f.take(content) {
		return &fault.Login{Context: f.context, Cause: fault.LoginFile, Err: errors.New("its token file cannot be read, or is empty")}
	}
	return nil
}

func (f *tokenFile) wrap(next http.RoundTripper) http.RoundTripper {
	return &tokenFileTransport{f, next}
}

type tokenFileTransport struct {
	file *tokenFile
	next http.RoundTripper
}

func (t *tokenFileTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("Authorization") != "" {
		return t.next.RoundTrip(request)
	}
	if t.file.token.Load() == nil {
		if err := t.file.read(); err != nil {
			return nil, err
		}
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+*t.file.token.Load())
	response, err := t.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		_ = t.file.read() // the next request is sent with what there is
	}
	return response, err
}

// WrappedRoundTripper lets client-go find what is below, to close idle connections.
func (t *tokenFileTransport) WrappedRoundTripper() http.RoundTripper { return t.next }
