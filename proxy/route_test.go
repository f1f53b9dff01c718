package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/proxy"
)

// found is where a rule found a target at its n-th look. Its first dial leads to a program that answers nothing.
type found struct {
	look         int64
	mute, answer string
	dials        *[]int64
}

func (f *found) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	to := f.answer
	if *f.dials = append(*f.dials, f.look); len(*f.dials) == 1 {
		to = f.mute
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

// A target is looked for once, and what was found then is what is dialled: for a tunnel, and for a plain-HTTP request
// with its repetition.
func TestWhatTheRuleFoundIsDialled(t *testing.T) {
	mute := target(t, func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	for name, args := range map[string][]string{
		"plain HTTP": {"-x", "http://"},
		"connect":    {"--retry", "1", "--retry-all-errors", "--retry-delay", "1", "-p", "-x", "http://"},
	} {
		var looks atomic.Int64
		var dials []int64
		w := open(t, proxy.Config{Rules: []proxy.Rule{{Name: "look", Match: func(context.Context, proxy.Target) (proxy.Dialer, error) {
			return &found{looks.Add(1), mute, strings.TrimPrefix(site.URL, "http://"), &dials}, nil
		}}}})
		args[len(args)-1] += w.addr
		if out, code := curl(t, append(args, "http://name.example/")...); !strings.HasSuffix(out, "hello") || code != 0 {
			t.Errorf("%s: %q, exit code %d", name, out, code)
		}
		_ = w.stop()
		want := []int64{1, 1} // one request, one look, two dials
		if name == "connect" {
			want = []int64{1, 2} // two tunnels
		}
		if len(dials) != 2 || dials[0] != want[0] || dials[1] != want[1] || looks.Load() != want[1] {
			t.Errorf("%s: %d looks, and dials by looks %v, want %v", name, looks.Load(), dials, want)
		}
	}
}
