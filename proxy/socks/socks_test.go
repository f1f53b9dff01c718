package socks

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func TestRequestsOfSOCKS4(t *testing.T) {
	for sent, want := range map[string]string{
		"\x04\x01\x00\x50\x7f\x00\x00\x01me\x00":                      `{127.0.0.1 80 ""}`,
		"\x04\x01\xff\xff\x00\x00\x00\x07me\x00e.cho\x00more":         `{e.cho 65535 "more"}`,
		"\x04\x01\x00\x50\x00\x00\x00\x00\x00name\x00":                `{0.0.0.0 80 "name\x00"}`, // no SOCKS4A
		"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00":                    `{ 80 ""}`,                // the caller checks the name
		"\x04\x02\x00\x50\x7f\x00\x00\x01\x00":                        ErrNotConnect.Error(),
		"\x04\x01\x00\x50\x7f":                                        io.ErrUnexpectedEOF.Error(),
		"\x04\x01\x00\x50\x7f\x00\x00\x01me":                          io.EOF.Error(),
		"\x04\x01\x00\x50\x7f\x00\x00\x01" + strings.Repeat("m", 256): "a field is longer than 255 bytes",
	} {
		asked, err := Read4(strings.NewReader(sent))
		if got := show(asked, err); got != want {
			t.Errorf("%q: %s, want %s", sent, got, want)
		}
	}
}

// show returns a request, or why there is none.
func show(asked Request, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("{%s %d %q}", asked.Host, asked.Port, asked.Early)
}

func TestRequestsOfSOCKS5(t *testing.T) {
	for name, c := range map[string]struct {
		valid            func(user, password string) bool
		sent, told, want string
	}{
		"IPv4":                       {nil, "\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00", `{127.0.0.1 80 ""}`},
		"IPv6":                       {nil, "\x05\x01\x00\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x50more", "\x05\x00", `{::1 80 "more"}`},
		"name":                       {nil, "\x05\x02\x01\x00\x05\x01\x00\x03\x05e.cho\x00\x50", "\x05\x00", `{e.cho 80 ""}`},
		"password that nobody wants": {nil, "\x05\x01\x02\x01\x01u\x01p\x05\x01\x00\x03\x05e.cho\x00\x50", "\x05\x02\x01\x00", `{e.cho 80 ""}`},
		"right password":             {isPassword, "\x05\x02\x00\x02\x01\x01u\x01p\x05\x01\x00\x03\x05e.cho\x00\x50", "\x05\x02\x01\x00", `{e.cho 80 ""}`},
		"wrong password":             {isPassword, "\x05\x01\x02\x01\x01u\x01x", "\x05\x02\x01\x01", ""},
		"no password":                {isPassword, "\x05\x01\x00", "\x05\xff", ""},
		"bind":                       {nil, "\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", ErrNotConnect.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			told := make(chan string)
			go func() {
				text, _ := io.ReadAll(far)
				told <- string(text)
			}()
			asked, err := Read5(client{near, strings.NewReader(c.sent)}, c.valid)
			if _, werr := near.Write([]byte("open")); werr != nil {
				t.Errorf("the connection is closed: %v", werr)
			}
			_ = near.Close()
			if got := <-told; got != c.told+"open" {
				t.Errorf("the client is told %q, want %q", got, c.told)
			}
			fails := !strings.HasPrefix(c.want, "{")
			if got := show(asked, err); (err != nil) != fails || !strings.Contains(got, c.want) {
				t.Errorf("%s, want %q", got, c.want)
			}
		})
	}
}

func isPassword(user, password string) bool { return user == "u" && password == "p" }

// A client sends a fixed text, whatever the server answers.
type client struct {
	net.Conn
	said io.Reader
}

func (c client) Read(p []byte) (int, error) { return c.said.Read(p) }
