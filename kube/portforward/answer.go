package portforward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"fairlead/kube/fault"
)

// A refusal is an HTTP answer that is not the upgrade.
type refusal struct {
	status  int
	text    string // the server's own words
	cluster bool   // they are a Kubernetes Status: the API server spoke, and no box on the way
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the upgrade is answered with %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

// final says that another carrier would be told the same.
func (r *refusal) final() bool {
	return r.cluster && (r.status == http.StatusUnauthorized || r.status == http.StatusNotFound)
}

// maxText bounds what is kept of words that came from outside.
const maxText = 1 << 10

func readRefusal(resp *http.Response) *refusal {
	defer resp.Body.Close()                                     // of no more use
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // it is in memory already
	if err != nil {
		body = nil
	}
	var status struct{ Kind, Message string }
	r := &refusal{status: resp.StatusCode}
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		r.cluster, r.text = true, printable(status.Message)
	} else if kind := resp.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/plain") {
		r.text = printable(string(body))
	}
	return r
}

// printable makes words from outside fit for a log line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if s = strings.TrimSpace(s); len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// explain turns what the carriers were told into one error of the fault package.
func (u *upgrader) explain(ctx context.Context, ep Endpoint, told []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("port-forward to Pod %s/%s: %w", ep.Namespace, ep.Pod, err)
	}
	best, rank := told[0], -1
	for _, err := range told {
		if r := weight(err); r > rank {
			best, rank = err, r
		}
	}
	var refused *refusal
	if errors.As(best, &refused) {
		return u.refused(ep, refused)
	}
	var login *fault.Login
	if errors.As(best, &login) {
		return login
	}
	if network := new(networkError); errors.As(best, &network) {
		if credential := new(credentialError); errors.As(best, &credential) {
			return &fault.Login{Plugin: u.plugin, Context: u.context, Err: credential.err}
		}
		return &fault.Unreachable{Server: u.route.base.Host, Err: network.err}
	}
	return &fault.Login{Plugin: u.plugin, Context: u.context, Err: best}
}

// weight says which of two carriers' errors tells more.
func weight(err error) int {
	var refused *refusal
	if !errors.As(err, &refused) {
		return 1
	}
	w := map[int]int{http.StatusUnauthorized: 5, http.StatusNotFound: 4, http.StatusForbidden: 3}[refused.status]
	if refused.cluster {
		w += 10
	}
	return w
}

func (u *upgrader) refused(ep Endpoint, r *refusal) error {
	switch r.status {
	case http.StatusUnauthorized:
		return &fault.Login{Context: u.context, Err: r}
	case http.StatusForbidden:
		return &fault.Forbidden{Verbs: []string{"get", "create"}, Resource: "pods/portforward", Namespace: ep.Namespace, Name: ep.Pod, Text: r.text}
	case http.StatusNotFound:
		return &fault.NotFound{Kind: fault.Pod, Name: ep.Pod, Namespace: ep.Namespace}
	}
	text := strings.ToLower(r.text)
	switch {
	case strings.Contains(text, "not running"), strings.Contains(text, "does not have a host assigned"), strings.Contains(text, "completed pod"):
		return &fault.NoEndpoints{Pod: ep.Pod, Namespace: ep.Namespace, NotReady: 1, Detail: r.text}
	case strings.Contains(text, "pod does not exist"), strings.Contains(text, "pod not found"):
		return &fault.NotFound{Kind: fault.Pod, Name: ep.Pod, Namespace: ep.Namespace}
	}
	return &fault.Unreachable{Server: u.route.base.Host, Err: r}
}
