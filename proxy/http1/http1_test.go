package http1

import (
	"strings"
	"sync/atomic"
	"testing"
)

func TestRequestsAreReadInOneWay(t *testing.T) {
	many := strings.Repeat("A: b\r\n", MaxFields)
	for raw, want := range map[string]string{ // what net/http gets, or the status of a refusal
		"GET http://a/b|c HTTP/1.1\r\nHost: a\r\n\r\n":                                            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.0\n\n":                                                              "GET / HTTP/1.0\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nX: y\r\n folded \r\n\r\n":                           "GET / HTTP/1.1\r\nHost: a\r\nX: y folded\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n":    "400",
		"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n":                   "501",
		"GET http://a/ b HTTP/1.1\r\nHost: a\r\n\r\n":                                             "400",
		"GET http://a/ HTTP/2.0\r\nHost: a\r\n\r\n":                                               "505",
		"GET http://a/ HTTP/1.1\r\n\r\n":                                                          "400",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n":                            "417",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n" + many + "\r\n":                                   "431",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\nName : value\r\n\r\n":                               "400",
		"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n":                            "400",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nab": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
	} {
		head := ParseRequest([]byte(raw))
		got := string(head.Text)
		if head.Refused != nil {
			got = map[int]string{400: "400", 417: "417", 431: "431", 501: "501", 505: "505"}[head.Refused.Status]
		}
		if got != want {
			t.Errorf("%.60q is %q, want %q", raw, got, want)
		}
	}
}

func TestARefusedRequestToAServerIsNotAnswered(t *testing.T) {
	for raw, silent := range map[string]bool{"GET / HTTP/9\r\n\r\n": true, "GET http://a/ HTTP/9\r\n\r\n": false} {
		if head := ParseRequest([]byte(raw)); head.Refused == nil || head.Silent != silent {
			t.Errorf("%q: %+v", raw, head)
		}
	}
}

func TestTargetsAreSentOnAsTheyCame(t *testing.T) {
	for _, c := range []struct{ target, authority, line, forward string }{
		{"http://a", "a", "/", "http://a"},
		{"http://a:80/b|c?d", "a:80", "/b|c?d", "http://a:80/b|c?d"},
		{"http://user:secret@a?x", "a", "/?x", "http://a?x"},
		{"http://us er@a/", "us er@a", "/", "http://us er@a/"},
	} {
		asked, ok := ParseAbsolute(c.target)
		if !ok || asked.Authority != c.authority || asked.Line("GET", false) != c.line || asked.Line("GET", true) != c.forward {
			t.Errorf("%q: %+v, %q, %q", c.target, asked, asked.Line("GET", false), asked.Line("GET", true))
		}
	}
	for _, target := range []string{"/", "a:1", "*", "://a/"} {
		if asked, ok := ParseAbsolute(target); ok {
			t.Errorf("%q is taken for %+v", target, asked)
		}
	}
	if asked, _ := ParseAbsolute("http://a"); asked.Line("OPTIONS", false) != "*" {
		t.Errorf("OPTIONS without a path asks for %q", asked.Line("OPTIONS", false))
	}
}

func TestHeadsOfResponsesAreCounted(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	field := "X: " + strings.Repeat("x", 1000) + "\r\n"
	for text, passes := range map[string]bool{
		ok + strings.Repeat(field, 10) + "\r\n" + strings.Repeat("body", 1<<15):         true,
		ok + strings.Repeat(field, 70) + "\r\n":                                         false, // too long
		ok + strings.Repeat("X:\n", MaxFields) + "\r\n":                                 true,
		ok + strings.Repeat("X:\n", MaxFields+1) + "\r\n":                               false, // too many lines
		strings.Repeat("HTTP/1.1 103 Early Hints\r\n"+field+"\r\n", 70) + ok + "\r\n":   false, // all heads together
		"HTTP/1.1 101 Switching Protocols\r\n\r\n" + strings.Repeat("no head\n", 1<<14): true,
	} {
		m := ResponseMeter{Large: new(atomic.Int64)}
		if wrong := m.Count([]byte(text)); (wrong == "") != passes {
			t.Errorf("%.40q: %q", text, wrong)
		}
		if m.Close(); m.Large.Load() != 0 {
			t.Errorf("%d bytes are still charged", m.Large.Load())
		}
	}
}
