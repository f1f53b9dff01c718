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

// workTimeout bounds how long a running Fairlead may take to begin a response for which it has to ask a cluster or to
// run a credential plugin, which may wait for the user.
const workTimeout = 3 * time.Minute

// Client queries and controls a running Fairlead. Its methods return ErrNotRunning if there is none, ErrSilent if it
// does not respond in time, ErrUntrusted if the socket may belong to another user, and the errors of package session.
type Client struct {
	http *http.Client
	slow *http.Client // for requests that take work
}

// NewClient returns a client of the socket at path. It opens nothing yet.
func NewClient(path string) *Client { return newClient(path, os.Getuid()) }

// newClient returns a client that trusts only programs of owner.
func newClient(path string, owner int) *Client {
	within := func(timeout time.Duration) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path, owner) },
			ResponseHeaderTimeout: timeout,
		}}
	}
	return &Client{http: within(answerTimeout), slow: within(workTimeout)}
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
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.slow.CloseIdleConnections()
}

// Status returns the current status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	err := callWith(ctx, c.http, http.MethodGet, "/v1/status", nil, &status)
	return status, err
}

// On switches contexts on, and returns when the model has applied that. confirmed says that the user has confirmed it
// for the production ones. If some cannot be switched on, the others still are. Host names without a namespace are
// looked up in namespace; if it is empty, the setting of the contexts is kept.
func (c *Client) On(ctx context.Context, names []string, confirmed bool, namespace string) error {
	return c.call(ctx, "/v1/on", contextsRequest{Contexts: names, Confirmed: confirmed, Namespace: namespace}, nil)
}

// Off switches contexts off, in the same way as On.
func (c *Client) Off(ctx context.Context, names []string) error {
	return c.call(ctx, "/v1/off", contextsRequest{Contexts: names}, nil)
}

// AllOff switches every context off.
func (c *Client) AllOff(ctx context.Context) error {
	return c.call(ctx, "/v1/off", contextsRequest{All: true}, nil)
}

// Env returns the text that makes a program use a context's proxy.
func (c *Client) Env(ctx context.Context, name, program string) (Snippet, error) {
	var snippet Snippet
	err := c.call(ctx, "/v1/env", contextRequest{Context: name, For: program}, &snippet)
	return snippet, err
}

// Open opens a browser in a context's cluster, at a URL or, if that is empty, at the proxy's own page. An empty browser
// stands for the preferred one.
func (c *Client) Open(ctx context.Context, name, url, browser string) error {
	return c.call(ctx, "/v1/open", contextRequest{Context: name, URL: url, Browser: browser}, nil)
}

// Restart restarts contexts that are on or have failed, and returns when the model has applied that.
func (c *Client) Restart(ctx context.Context, names []string) error {
	return c.call(ctx, "/v1/restart", contextsRequest{Contexts: names}, nil)
}

// Connections returns the open connections of contexts; without names, of all that are on.
func (c *Client) Connections(ctx context.Context, names []string) ([]Connection, error) {
	var list connectionList
	err := c.call(ctx, "/v1/connections", contextsRequest{Contexts: names, All: len(names) == 0}, &list)
	return list.Connections, err
}

// CloseConnections closes the open connections of contexts or, without names, of all that are on. It returns how many
// there were of each.
func (c *Client) CloseConnections(ctx context.Context, names []string) (map[string]int, error) {
	var counts closedCounts
	err := c.call(ctx, "/v1/close", contextsRequest{Contexts: names, All: len(names) == 0}, &counts)
	return counts.Connections, err
}

// Services lists the Services in a context's cluster; an empty namespace stands for all.
func (c *Client) Services(ctx context.Context, name, namespace string) ([]Service, error) {
	var list serviceList
	err := callWith(ctx, c.slow, http.MethodPost, "/v1/services", contextRequest{Context: name, Namespace: namespace}, &list)
	return list.Services, err
}

// LogIn logs in to a context's cluster again.
func (c *Client) LogIn(ctx context.Context, name string) error {
	return callWith(ctx, c.slow, http.MethodPost, "/v1/login", contextRequest{Context: name}, nil)
}

// ReadState makes the running Fairlead read its state again, which another program has changed.
func (c *Client) ReadState(ctx context.Context) error {
	return c.call(ctx, "/v1/state", struct{}{}, nil)
}

// Quit makes the running Fairlead end, and returns before it has ended.
func (c *Client) Quit(ctx context.Context) error {
	return c.call(ctx, "/v1/quit", struct{}{}, nil)
}

// Watch yields the status now and after each change, until ctx or the program ends. If it yields an error, that is
// last.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		response, err := send(ctx, c.http, http.MethodGet, "/v1/watch", nil)
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

func (c *Client) call(ctx context.Context, path string, body, result any) error {
	return callWith(ctx, c.http, http.MethodPost, path, body, result)
}

func callWith(ctx context.Context, client *http.Client, method, path string, body, result any) error {
	response, err := send(ctx, client, method, path, body)
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
func send(ctx context.Context, client *http.Client, method, path string, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://fairlead"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
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
