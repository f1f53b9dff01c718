package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxAnswer bounds the size of a response and of an event, in bytes.
const maxAnswer = 64 << 20

// answerTimeout bounds how long a running Fairlead may take to begin a response. Opening a browser window may wait for
// a login.
const answerTimeout = 15 * time.Second

// Client queries and controls a running Fairlead. Its methods return ErrNotRunning if there is none, ErrSilent if it
// does not respond in time, ErrUntrusted if the socket may belong to another user, and the errors of package session.
type Client struct {
	http *http.Client
}

// NewClient returns a client of the socket at path. It opens nothing yet.
func NewClient(path string) *Client { return newClient(path, os.Getuid()) }

// newClient returns a client that trusts only programs of owner.
func newClient(path string, owner int) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, path, owner)
		},
		ResponseHeaderTimeout: answerTimeout,
	}}}
}

// dial connects to the socket at path. It fails unless only owner can have created the socket and the program that
// listens there is owner's. It sends nothing.
func dial(ctx context.Context, path string, owner int) (net.Conn, error) {
	if err := checkFiles(path, owner); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn, owner); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns the current status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &status)
	return status, err
}

// On switches contexts on, and returns when the model has applied that. confirmed says that the user has confirmed it
// for the production ones. If some cannot be switched on, the others still are.
func (c *Client) On(ctx context.Context, names []string, confirmed bool) error {
	return c.call(ctx, http.MethodPost, "/v1/on", switchRequest{Contexts: names, Confirmed: confirmed}, nil)
}

// Off switches contexts off, in the same way as On.
func (c *Client) Off(ctx context.Context, names []string) error {
	return c.call(ctx, http.MethodPost, "/v1/off", switchRequest{Contexts: names}, nil)
}

// AllOff switches every context off.
func (c *Client) AllOff(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/off", switchRequest{All: true}, nil)
}

// Env returns the text that makes a program use a context's proxy.
func (c *Client) Env(ctx context.Context, name, program string) (Snippet, error) {
	var snippet Snippet
	err := c.call(ctx, http.MethodPost, "/v1/env", contextRequest{name, program}, &snippet)
	return snippet, err
}

// Open opens a browser in a context's cluster.
func (c *Client) Open(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/v1/open", contextRequest{Context: name}, nil)
}

// Watch yields the status now and after each change, until ctx or the program ends. If it yields an error, that is
// last.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		response, err := c.send(ctx, http.MethodGet, "/v1/watch", nil)
		if err != nil {
			yield(Status{}, err)
			return
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, maxAnswer)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var status Status
			err := json.Unmarshal([]byte(data), &status)
			if !yield(status, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil && ctx.Err() == nil {
			yield(Status{}, fmt.Errorf("the connection to the running Fairlead ended: %w", err))
		}
	}
}

func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if result == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(result)
}

// send sends a request and returns the response if its status is 200, and an error otherwise.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://fairlead"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	var late net.Error
	var outer *url.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		return nil, ErrSilent
	case errors.Is(err, ErrNotRunning):
		return nil, ErrNotRunning
	case errors.Is(err, ErrUntrusted) && errors.As(err, &outer):
		return nil, outer.Err // without the URL, which would not help
	case err != nil:
		return nil, fmt.Errorf("request to the running Fairlead: %w", err)
	case response.StatusCode == http.StatusOK:
		return response, nil
	}
	defer response.Body.Close()
	return nil, failed(response)
}

// failed returns the error that a response describes.
func failed(response *http.Response) error {
	var f failure
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("the running Fairlead answers %s", response.Status)
	}
	for _, kind := range kinds {
		if kind.name == f.Kind {
			return &remoteError{f.Error, kind.err}
		}
	}
	return errors.New(f.Error)
}

// A remoteError has the text of the running program's error, and its kind.
type remoteError struct {
	text string
	kind error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }
