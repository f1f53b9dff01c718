package desktop_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/app/desktop"
)

// paste reads the X11 clipboard like another program.
func paste(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "xclip", "xclip"), append([]string{"-selection", "clipboard", "-out"}, arguments...)...)
	out, err := cmd.Output()
	return string(out), err
}

func pasted(t *testing.T, want string, arguments ...string) {
	t.Helper()
	got, err := paste(t, arguments...)
	if err != nil || got != want {
		t.Errorf("pasted %q (%v) with %q, want %q", got, err, arguments, want)
	}
}

// closed closes the clipboard at the test's end.
func closed(t *testing.T, c *desktop.Clipboard) *desktop.Clipboard {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestWhatIsCopiedCanBePasted(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := closed(t, &desktop.Clipboard{})
	for _, text := range []string{"socks5h://127.0.0.1:1080", "Zürich → 東京\n", "", strings.Repeat("x", desktop.MaxClipboardText)} {
		if err := c.WriteText(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		pasted(t, text, "-target", "UTF8_STRING")
		pasted(t, text, "-target", "UTF8_STRING") // pasting more than once works
	}
}

func TestTheClipboardSaysInWhichForms(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "Zürich → x"); err != nil {
		t.Fatal(err)
	}
	forms, err := paste(t, "-target", "TARGETS")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"TARGETS", "UTF8_STRING", "STRING", "text/plain;charset=utf-8"} {
		if !strings.Contains("\n"+forms, "\n"+form+"\n") {
			t.Errorf("%s is not among %q", form, forms)
		}
	}
	pasted(t, "Zürich → x", "-target", "text/plain;charset=utf-8")
	pasted(t, "Z\xfcrich ? x", "-target", "STRING")
	if got, err := paste(t, "-target", "image/png"); err == nil || got != "" {
		t.Errorf("a picture: %q, %v", got, err)
	}
}

func TestAPasswordIsMarkedForClipboardManagers(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteSecret(t.Context(), "socks5h://me:s3cret@127.0.0.1:1080"); err != nil {
		t.Fatal(err)
	}
	const hint = "x-kde-passwordManagerHint"
	if forms, err := paste(t, "-target", "TARGETS"); err != nil || !strings.Contains("\n"+forms+"\n", "\n"+hint+"\n") {
		t.Errorf("%q, %v", forms, err)
	}
	pasted(t, "secret", "-target", hint)
	pasted(t, "socks5h://me:s3cret@127.0.0.1:1080")
	if err := c.WriteText(t.Context(), "socks5h://127.0.0.1:1080"); err != nil {
		t.Fatal(err)
	}
	if got, err := paste(t, "-target", hint); err == nil {
		t.Errorf("no secret has the hint %q", got)
	}
}

func TestTheClipboardIsGivenUpToTheNextProgram(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "ours"); err != nil {
		t.Fatal(err)
	}
	other := exec.Command(need(t, "xclip", "xclip"), "-selection", "clipboard", "-in", "-quiet")
	other.Stdin = strings.NewReader("theirs")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	eventually(t, "the other program's text can be pasted", func() bool {
		got, err := paste(t)
		return err == nil && got == "theirs"
	})
	if err := c.WriteText(t.Context(), "ours again"); err != nil {
		t.Fatal(err)
	}
	pasted(t, "ours again")
}

func TestCloseGivesTheClipboardUp(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := &desktop.Clipboard{}
	if err := c.WriteText(t.Context(), "text"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "nothing can be pasted", func() bool {
		_, err := paste(t)
		return err != nil
	})
	if err := c.WriteText(t.Context(), "text"); err == nil {
		t.Error("a closed clipboard took a text")
	}
}

func TestCopiesFromManyGoroutinesEndWithOneOfThem(t *testing.T) {
	noLeaks(t)
	startX(t)
	c := closed(t, &desktop.Clipboard{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := c.WriteText(t.Context(), fmt.Sprint("text ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := paste(t); err != nil || !strings.HasPrefix(got, "text ") {
		t.Errorf("%q, %v", got, err)
	}
	if err := c.WriteText(t.Context(), "last"); err != nil {
		t.Fatal(err)
	}
	pasted(t, "last")
}

func TestTheClipboardOutlivesItsXServer(t *testing.T) {
	noLeaks(t)
	stop := startX(t)
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "lost"); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := c.WriteText(t.Context(), "secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("copied without a server: %v", err)
	}
	startX(t)
	if err := c.WriteText(t.Context(), "found"); err != nil {
		t.Fatal(err)
	}
	pasted(t, "found")
}

func TestAnXServerThatHangsIsGivenUp(t *testing.T) {
	noLeaks(t)
	// A listener that never responds, in place of an X server.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	if port < 6000 {
		t.Fatalf("port %d is no display", port)
	}
	t.Setenv("DISPLAY", fmt.Sprintf("127.0.0.1:%d", port-6000))
	t.Setenv("WAYLAND_DISPLAY", "")
	c := &desktop.Clipboard{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.WriteText(ctx, "text"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// The attempt ends with the server.
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestOnWaylandTheTextGoesToWlCopy(t *testing.T) {
	noLeaks(t)
	dir := script(t, "wl-copy", `echo "$@" > "$(dirname "$0")/arguments"; cat > "$(dirname "$0")/text"`)
	t.Setenv("WAYLAND_DISPLAY", "wayland-1")
	t.Setenv("DISPLAY", "")
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "socks5h://user:pw@127.0.0.1:1080"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "text"))
	if err != nil || string(text) != "socks5h://user:pw@127.0.0.1:1080" {
		t.Errorf("%q, %v", text, err)
	}
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	if err != nil || strings.Contains(string(arguments), "pw") {
		t.Errorf("arguments %q, %v", arguments, err)
	}
}

// wl-clipboard 2.3 has an option for secrets; older versions print their usage and fail.
func TestWlCopyMarksAPasswordIfItCan(t *testing.T) {
	noLeaks(t)
	const tell = `cat > "$(dirname "$0")/text"; echo "$@" > "$(dirname "$0")/arguments"`
	t.Setenv("WAYLAND_DISPLAY", "wayland-1")
	t.Setenv("DISPLAY", "")
	for _, test := range []struct {
		version, body    string
		secret, ordinary bool // whether --sensitive is among the arguments of what was copied
	}{
		{"2.3", tell, true, false},
		{"2.2", `case " $* " in *" --sensitive "*) echo "unrecognized option" >&2; exit 1;; esac; ` + tell, false, false},
	} {
		t.Run(test.version, func(t *testing.T) {
			dir := script(t, "wl-copy", test.body)
			c := closed(t, &desktop.Clipboard{})
			for _, copied := range []struct {
				write func(context.Context, string) error
				text  string
				want  bool
			}{{c.WriteSecret, "socks5h://me:s3cret@127.0.0.1:1080", test.secret}, {c.WriteText, "socks5h://127.0.0.1:1080", test.ordinary}} {
				if err := copied.write(t.Context(), copied.text); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(filepath.Join(dir, "text"))
				if err != nil || string(text) != copied.text {
					t.Errorf("copied %q (%v), want %q", text, err, copied.text)
				}
				arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
				if err != nil || strings.Contains(string(arguments), "--sensitive") != copied.want || strings.Contains(string(arguments), "s3cret") {
					t.Errorf("%s: arguments %q, %v", copied.text, arguments, err)
				}
			}
		})
	}
}

func TestAWlCopyThatFailsLeavesX11(t *testing.T) {
	noLeaks(t)
	startX(t)
	script(t, "wl-copy", "exit 1")
	t.Setenv("WAYLAND_DISPLAY", "wayland-1")
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "by X11"); err != nil {
		t.Fatal(err)
	}
	pasted(t, "by X11")
}

func TestAWlCopyThatHangsIsEnded(t *testing.T) {
	noLeaks(t)
	script(t, "wl-copy", "exec sleep 600")
	t.Setenv("WAYLAND_DISPLAY", "wayland-1")
	t.Setenv("DISPLAY", "")
	c := closed(t, &desktop.Clipboard{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.WriteText(ctx, "text"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
}

func TestTheErrorSaysWhatIsMissing(t *testing.T) {
	noLeaks(t)
	c := closed(t, &desktop.Clipboard{})
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if err := c.WriteText(t.Context(), "text"); err == nil || !strings.Contains(err.Error(), "no desktop") {
		t.Errorf("no desktop: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "wayland-1")
	if err := c.WriteText(t.Context(), "text"); err == nil || !strings.Contains(err.Error(), "wl-clipboard") {
		t.Errorf("no wl-copy: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "")
	for _, display := range []string{":nonsense", ":4711", "nonsense"} {
		t.Setenv("DISPLAY", display)
		if err := c.WriteText(t.Context(), "text"); err == nil || !strings.Contains(err.Error(), display) {
			t.Errorf("display %s: %v", display, err)
		}
	}
}

func TestWhatIsNoTextIsNotCopied(t *testing.T) {
	noLeaks(t)
	c := closed(t, &desktop.Clipboard{})
	for _, text := range []string{"\xff\xfe", strings.Repeat("x", desktop.MaxClipboardText+1)} {
		if err := c.WriteText(t.Context(), text); err == nil {
			t.Errorf("%d bytes were copied", len(text))
		}
	}
}
