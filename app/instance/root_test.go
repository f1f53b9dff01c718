package instance

import (
	"bytes"
	"strings"
	"testing"
)

func TestRootIsWarned(t *testing.T) {
	for _, c := range []struct {
		uid     int
		env     map[string]string
		sudo    bool
		warning string // part of it
	}{
		{1000, map[string]string{"SUDO_USER": "anna"}, false, ""}, // sudo -u
		{-1, nil, false, ""}, // Windows
		{0, nil, false, "runs as root, and so do"},
		{0, map[string]string{"SUDO_USER": "root"}, false, "runs as root, and so do"},
		{0, map[string]string{"SUDO_USER": "anna"}, true, "start it as anna."},
		{0, map[string]string{"SUDO_USER": "an\nna"}, true, "start it as an"},
		{0, map[string]string{"DOAS_USER": "bob"}, true, "start it as bob."},
		{0, map[string]string{"PKEXEC_UID": "1000"}, true, "start it as user 1000."},
		{0, map[string]string{"PKEXEC_UID": "0"}, false, "runs as root, and so do"},
	} {
		r := asRoot(c.uid, func(name string) string { return c.env[name] })
		var text bytes.Buffer
		r.Print(&text)
		want := 1
		if c.warning == "" {
			want = 0
		}
		if r.Sudo != c.sudo || !strings.Contains(r.Warning, c.warning) || strings.Count(text.String(), "\n") != want || text.Len() > 0 != (want > 0) {
			t.Errorf("%d, %v: %+v, printed %q", c.uid, c.env, r, &text)
		}
	}
}
