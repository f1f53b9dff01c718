package settings

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
)

// FuzzParse parses arbitrary bytes as config.yaml. A refused text must give problems with their lines, in printable
// words. An accepted one must not open a proxy without saying so, must stay within the settings' bounds, and must mean
// the same when it is parsed again.
func FuzzParse(f *testing.F) {
	f.Add(Example())
	f.Add([]byte(commentedOut.ReplaceAllString(string(Example()), "$1$2")))
	f.Add([]byte("contexts: {a: &x {tls: *x}}"))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("? {a: b}\n: c"))
	f.Add([]byte("\xfe\xff\x20\x28\x30\x30")) // UTF-16, two lines
	f.Add([]byte("defaults: &d {limits: {connections: 9, idle: 1h}}\ncontexts: {a: *d, 'b*': {port: 1, password: true}}"))
	f.Add([]byte("upstreams: {a: {url: 'http://u:p@h:1', via: b}, b: {url: 'socks5://h', in: cluster, ca: x, cert: y, key: z}}\ndefaults: {outside: b, routes: [{to: ['*.x:1', 10.0.0.0/8, '[::1]:2'], via: a}]}"))
	f.Add([]byte("upstreams: {0, b: {via: c}, a: {via: c}}"))
	f.Add([]byte("upstreams: {a: &x {url: 'http://h', via: a}, b: *x}\ncontexts: {a: {routes: [{to: [a..b], via: c}, 1, []]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text, "f")
		if err == nil && len(c.flaws) > 0 {
			checkProblems(t, text, c.flaws)
		}
		if err != nil {
			checkProblems(t, text, err)
			return
		}
		names := []string{"a"}
		for _, b := range c.contexts {
			names = append(names, b.pattern)
		}
		for _, name := range names[:min(len(names), 20)] {
			checkContext(t, c.context(name, contextState{}))
			checkRoutes(t, c.context(name, contextState{}))
		}
		if again, err := Parse(text, "f"); err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("read again it is %+v (%v), and was %+v", again, err, c)
		}
	})
}

// checkProblems fails the test unless err consists of problems in printable words, each with a line that the text has.
func checkProblems(t *testing.T, text []byte, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	lines := countLines(text)
	for _, p := range problems {
		if p.File != "f" || p.Line < 0 || p.Line > lines {
			t.Errorf("%+v has a place that %d lines do not have", p, lines)
		}
		if p.Text == "" || strings.ContainsFunc(p.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a problem reads %q", p.Text)
		}
	}
}

// countLines returns the number of lines of a text by YAML's rules, which also allow UTF-16.
func countLines(text []byte) int {
	decoded := string(text)
	if order := byteOrder(text); order != nil {
		units := make([]uint16, len(text)/2)
		for i := range units {
			units[i] = order.Uint16(text[2*i:])
		}
		decoded = string(utf16.Decode(units))
	}
	lines := 1
	for _, r := range decoded {
		if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
			lines++
		}
	}
	return lines
}

// byteOrder returns the byte order of a text that begins with UTF-16's mark, and nil for any other.
func byteOrder(text []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		return binary.BigEndian
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		return binary.LittleEndian
	}
	return nil
}

// checkContext fails the test if a context's settings break the program's assumptions.
func checkContext(t *testing.T, c Context) {
	t.Helper()
	if c.Exposed() && !c.Password && !c.RequireTLS && c.Problem == "" {
		t.Errorf("open to all: %+v", c)
	}
	if c.Port() < 0 || c.Port() > lastPort || c.AutoOff < 0 || c.Limits.Connections < 1 || c.Limits.Handshake < 0 || c.Limits.Idle < 0 {
		t.Errorf("out of bounds: %+v", c)
	}
	if c.Outside == "" {
		t.Error("hosts outside have no route")
	}
	if len(c.Credentials.User) > maxSecret || len(c.Credentials.Password) > maxSecret {
		t.Errorf("credentials of %d and %d bytes", len(c.Credentials.User), len(c.Credentials.Password))
	}
}

// FuzzProblemsRepeatNoPassword puts a password into the value of the keys that take one, between arbitrary texts.
func FuzzProblemsRepeatNoPassword(f *testing.F) {
	for _, around := range [][2]string{
		{" ", "\n"}, {" {user: me, password: ", "}\n"}, {" {user: me, password: [", "]}"}, {" '", "\n"}, {" \"\\", "\"\n"}, {" !!x {", "}"}, {" {", ": {a: b}}"},
		{" *", "\n"}, {" &", " x\n"}, {" |", "\n"}, {" {user: me, password: a, ", ", x}"}, {" !", " x"}, {" %", "\n---\n"}, {" <<: ", ""}, {" {<<: {", ": a}}"},
		{" http://me:", "@proxy.example:3128/x\n"}, {" socks5h://", "\n"}, {" http://me:%zz", "@a"}, {" http:", "@a\n"}, {" [http://me:", "@a]\n"},
	} {
		f.Add(around[0], around[1])
	}
	const secret = "hunter2secret"
	f.Fuzz(func(t *testing.T, before, after string) {
		// On another line it would not be a password, nor if an alias repeats it.
		if strings.ContainsAny(before, "\n\r\u0085\u2028\u2029") || strings.Contains(after, "*") || len(before)+len(after) > 1000 {
			return
		}
		for _, key := range []string{"defaults:\n  password:", "defaults:\n  api-proxy:", "upstreams:\n  x:\n    url:"} {
			text := key + before + secret + after
			c, err := Parse([]byte(text), "f")
			if err != nil && strings.Contains(err.Error(), secret) || strings.Contains(c.flaws.Error(), secret) {
				t.Errorf("%q: %v, %v", text, err, c.flaws)
			}
		}
	})
}

// FuzzState parses arbitrary bytes as state.json. An accepted state must have no port twice and none out of range, must
// stay the same when it is written and read again, and must have a new port for one more context. A refused one must
// not be quoted.
func FuzzState(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"version":1}`, `{"version":1,"contexts":{"a":{"port":1080,"on":true,"password":"hunter2secret"},"b":{"port":1080,"moved":1081,"on":false}}}`,
		`{"version":1,"contexts":{"a":{"password":["hunter2secret"]}}}`, `{"version":1,"contexts":{"a":{"port":-1,"used":1e999}},"plugins":{"x":true}}`,
		`{"version":1,"notifications":{"dials":{"value":"false","over":"true"}},"contexts":{"a":{"namespace":{"value":"x","over":""},"ranges":"10.0.0.0/8 x","namespaces":"a b"}}}`,
		`{"version":1} {}`, `{"version":2}`, `{"version":3}`, `{"version":2,"contexts":{"a":{"ports":[{"port":1080,"moved":1081},{"port":1080}],"ranges":["10.0.0.0/8","x"],"namespaces":["a","b"]}}}`,
		`{"version":2,"contexts":{"a":{"port":1080,"ranges":"10.0.0.0/8","password":["hunter2secret"]}}}`, `{"version":1,"contexts":{"":{"port":65536},"é":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		now, err := parse(text)
		if err != nil {
			if said := err.Error(); said == "" || strings.Contains(said, "hunter2") || strings.ContainsFunc(said, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("refused with %q", said)
			}
			return
		}
		given := map[int]string{}
		for name, c := range now.Contexts {
			var ports []int
			for _, p := range c.Ports {
				ports = append(ports, p.Port, p.Moved)
			}
			for _, port := range ports {
				if other, twice := given[port]; port < 0 || port > lastPort || port != 0 && twice {
					t.Errorf("%q has port %d, which %q has", name, port, other)
				}
				given[port] = name
			}
		}
		written, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parse(written); err != nil || !now.equal(again) {
			t.Errorf("%s\nis read as %+v (%v)", written, again, err)
		}
		if port, err := now.freePort(nil); err != nil || port < FirstPort || port > lastPort || given[port] != "" {
			t.Errorf("one more gets port %d (%v)", port, err)
		}
		s := &Store{last: now}
		_ = s.On()
		for name := range now.Contexts {
			checkContext(t, (Config{}).context(name, s.remembered(name)))
			_ = (&Settings{learned: learned{s}}).Seen(name)
		}
	})
}

// checkRoutes fails the test unless every upstream either has a problem or leads somewhere, and every route that has one
// is for all hosts.
func checkRoutes(t *testing.T, c Context) {
	t.Helper()
	for name := range c.Upstreams {
		chain, problem := c.Chain(name)
		if (problem == "") != (len(chain) > 0) {
			t.Errorf("upstream %q: %v, %q", name, chain, problem)
		}
		for _, u := range chain {
			if u.URL == nil || u.URL.Hostname() == "" {
				t.Errorf("upstream %q leads nowhere: %+v", name, u)
			}
		}
	}
	for _, r := range c.Routes {
		if r.Problem == "" && r.Via == "" || r.Problem != "" && !r.Matches("x.example", 1) {
			t.Errorf("route %+v", r)
		}
	}
}
