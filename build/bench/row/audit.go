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

// A asked is one request that the API server's audit log has.
type asked struct {
	verb, resource, namespace, name string
}

// portForward says that it is a connection, and no question about what there is.
func (a asked) portForward() bool { return a.resource == "pods/portforward" }

// watch says that it follows the changes of something, for as long as that is in use.
func (a asked) watch() bool { return a.verb == "watch" }

// review says that it is about the user's own rights.
func (a asked) review() bool { return strings.HasPrefix(a.resource, "selfsubject") }

// everywhere says that it lists or watches a kind in all namespaces, without naming the one object.
func (a asked) everywhere() bool {
	return (a.verb == "list" || a.verb == "watch") && a.namespace == ""
}

// An audit reads what Fairlead asks of the API server.
type audit struct {
	path string
	read int64 // bytes
	open int   // watches that began and have not ended, among the lines that were read
}

const (
	auditQuiet  = 200 * time.Millisecond // the log is written a moment after the answer
	auditWithin = 10 * time.Second
)

// next is what was asked since the last call, once nothing more comes for a moment. Requests come into the log when they
// are over, watches when they begin; those of port-forwards that are still open are not in it.
func (a *audit) next(ctx context.Context) ([]asked, error) {
	var all []asked
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
	return nil, fmt.Errorf("requests still come after %s", auditWithin)
}

// more reads the lines that are there.
func (a *audit) more() ([]asked, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(a.read, io.SeekStart); err != nil {
		return nil, err
	}
	var all []asked
	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil // what is left is not whole yet
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

// Stages of a request in the log. What stays open has both.
const (
	began = "ResponseStarted"
	ended = "ResponseComplete"
)

// parseAudit reads one event (audit.k8s.io/v1). The stage is empty for one that is not of Fairlead.
func parseAudit(line []byte) (request asked, stage string, err error) {
	var event struct {
		Stage, Verb, RequestURI, UserAgent string
		ObjectRef                          struct{ Resource, Subresource, Namespace, Name string }
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return asked{}, "", fmt.Errorf("audit log: %w", err)
	}
	if !strings.HasPrefix(event.UserAgent, "fairlead/") {
		return asked{}, "", nil
	}
	of := event.ObjectRef
	request = asked{event.Verb, of.Resource, of.Namespace, of.Name}
	if of.Subresource != "" {
		request.resource += "/" + of.Subresource
	}
	if request.resource == "" {
		request.resource = event.RequestURI
	}
	return request, event.Stage, nil
}
