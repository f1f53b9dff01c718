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
		_ = t.file.read() // if it fails, the next request uses the token that there is
	}
	return response, err
}

// WrappedRoundTripper returns the round tripper below. client-go uses it to close idle connections.
func (t *tokenFileTransport) WrappedRoundTripper() http.RoundTripper { return t.next }
