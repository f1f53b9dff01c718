package row

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// An apiRequest is one request in the API server's audit log.
type apiRequest struct {
	verb, resource, namespace, name string
}

// portForward reports whether the request opens a connection.
func (a apiRequest) portForward() bool { return a.resource == "pods/portforward" }

// watch reports whether the request is a watch.
func (a apiRequest) watch() bool { return a.verb == "watch" }

// review reports whether the request asks for the user's own rights.
func (a apiRequest) review() bool { return strings.HasPrefix(a.resource, "selfsubject") }

// everywhere reports whether the request lists or watches a kind in all namespaces, without naming an object.
func (a apiRequest) everywhere() bool {
	return (a.verb == "list" || a.verb == "watch") && a.namespace == ""
}

// An audit reads Fairlead's requests from the API server's audit log.
type audit struct {
	path string
	read int64 // bytes
	open int   // watches that have started and not ended, in the lines read so far
}

const (
	auditQuiet  = 200 * time.Millisecond // the log is written shortly after the response
	auditWithin = 10 * time.Second
)

// next returns the requests since the last call, once no more are logged for a moment. Requests are logged when they
// end, watches when they start; port-forwards that are still open are not logged.
func (a *audit) next(ctx context.Context) ([]apiRequest, error) {
	var all []apiRequest
	for end := time.Now().Add(auditWithin); time.Now().Before(end); {
		if err := pause(ctx, auditQuiet); err != nil {
			return nil, err
		}
		more, err := a.more()
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return all, nil
		}
		all = append(all, more...)
	}
	return nil, fmt.Errorf("there are still requests after %s", auditWithin)
}

// more reads the available lines.
func (a *audit) more() ([]apiRequest, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(a.read, io.SeekStart); err != nil {
		return nil, err
	}
	var all []apiRequest
	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil // the rest is an incomplete line
		}
		if err != nil {
			return nil, err
		}
		a.read += int64(len(line))
		request, stage, err := parseAudit(line)
		if err != nil {
			return nil, err
		}
		switch {
		case request.watch() && stage == began:
			a.open++
			all = append(all, request)
		case request.watch() && stage == ended:
			a.open--
		case stage == ended:
			all = append(all, request)
		}
	}
}

// Stages of a request in the log. Long-running requests have both.
const (
	began = "ResponseStarted"
	ended = "ResponseComplete"
)

// parseAudit parses one event (audit.k8s.io/v1). The stage is empty if the request is not Fairlead's.
func parseAudit(line []byte) (request apiRequest, stage string, err error) {
	var event struct {
		Stage, Verb, RequestURI, UserAgent string
		ObjectRef                          struct{ Resource, Subresource, Namespace, Name string }
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return apiRequest{}, "", fmt.Errorf("audit log: %w", err)
	}
	if !strings.HasPrefix(event.UserAgent, "fairlead/") {
		return apiRequest{}, "", nil
	}
	of := event.ObjectRef
	request = apiRequest{event.Verb, of.Resource, of.Namespace, of.Name}
	if of.Subresource != "" {
		request.resource += "/" + of.Subresource
	}
	if request.resource == "" {
		request.resource = event.RequestURI
	}
	return request, event.Stage, nil
}
