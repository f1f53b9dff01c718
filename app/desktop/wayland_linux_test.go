package desktop_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fairlead/app/desktop"
)

// startSway starts a Wayland compositor without a screen, and makes it the test's desktop. It does not run as root.
func startSway(t *testing.T) {
	t.Helper()
	sway := need(t, "sway", "sway")
	dir, err := os.MkdirTemp("", "sway") // short, for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "config")
	for _, err := range []error{os.WriteFile(config, nil, 0o644), os.Chown(dir, swayUser(), swayUser())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(sway, "-c", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1", "WLR_RENDERER=pixman"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive a killed test
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var sockets []string
	eventually(t, "the compositor's socket is there", func() bool {
		sockets, _ = filepath.Glob(filepath.Join(dir, "wayland-*[0-9]"))
		return len(sockets) > 0
	})
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("WAYLAND_DISPLAY", filepath.Base(sockets[0]))
	t.Setenv("DISPLAY", "")
}

func swayUser() int {
	if os.Getuid() == 0 {
		return nobody
	}
	return os.Getuid()
}

// wlPaste returns what another program pastes.
func wlPaste(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	out, err := exec.CommandContext(ctx, need(t, "wl-paste", "wl-clipboard"), append([]string{"--no-newline"}, arguments...)...).CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}

func TestOnWaylandWhatIsCopiedCanBePasted(t *testing.T) {
	noLeaks(t)
	startSway(t)
	copier := need(t, "wl-copy", "wl-clipboard")
	script(t, "wl-copy", "exit 1") // copying must work without it
	c := closed(t, &desktop.Clipboard{})
	for _, text := range []string{"socks5h://127.0.0.1:1080", "Zürich → 東京\n", strings.Repeat("x", desktop.MaxClipboardText)} {
		if err := c.WriteText(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := wlPaste(t); got != text {
				t.Errorf("pasted %.50q, want %.50q", got, text)
			}
		}
	}
	const hint = "x-kde-passwordManagerHint"
	if got := wlPaste(t, "--list-types"); !strings.Contains(got, "text/plain;charset=utf-8") || strings.Contains(got, hint) {
		t.Errorf("forms: %q", got)
	}
	if err := c.WriteSecret(t.Context(), "socks5h://me:s3cret@127.0.0.1:1080"); err != nil {
		t.Fatal(err)
	}
	if text, got := wlPaste(t), wlPaste(t, "--type", hint); text != "socks5h://me:s3cret@127.0.0.1:1080" || got != "secret" {
		t.Errorf("a secret: %q, marked with %q", text, got)
	}
	// Another program copies, and then we do.
	if err := exec.Command(copier, "theirs").Run(); err != nil { // it leaves a process behind until we copy again
		t.Fatal(err)
	}
	if got := wlPaste(t); got != "theirs" {
		t.Errorf("pasted %q", got)
	}
	if err := c.WriteText(t.Context(), "ours"); err != nil {
		t.Fatal(err)
	}
	if got := wlPaste(t); got != "ours" {
		t.Errorf("pasted %q", got)
	}
}
