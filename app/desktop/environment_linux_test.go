package desktop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/app/desktop"
)

// surroundings sets the environment of a typical developer, with credentials of clouds and what a desktop needs, and
// returns its home directory.
func surroundings(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "TMPDIR": t.TempDir(), "LC_TIME": "C.UTF-8", "XDG_SESSION_TYPE": "wayland", "WAYLAND_DISPLAY": "wayland-7",
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=/none", "DISPLAY": ":9",
		"AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "s3cret", "VAULT_TOKEN": "s3cret", "GOOGLE_APPLICATION_CREDENTIALS": "/s3cret",
		"AZURE_CLIENT_SECRET": "s3cret", "KUBECONFIG": "/s3cret", "GITHUB_TOKEN": "s3cret", "SSH_AUTH_SOCK": "/s3cret",
		"HTTPS_PROXY": "http://me:s3cret@proxy.example", "https_proxy": "http://me:s3cret@proxy.example", "LDAP_PASSWORD": "s3cret",
	} {
		t.Setenv(name, value)
	}
	return home
}

// checkSurroundings fails the test if the environment that a program wrote to a file has a secret, or lacks what a
// window needs.
func checkSurroundings(t *testing.T, file string) {
	t.Helper()
	told, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(told), "s3cret") {
		t.Errorf("the program has %s", told)
	}
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "LC_TIME", "XDG_SESSION_TYPE", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY"} {
		if needed := name + "=" + os.Getenv(name); !strings.Contains("\n"+string(told), "\n"+needed+"\n") {
			t.Errorf("the program has not %s", needed)
		}
	}
}

func TestAnOpenerGetsNoCredentialsOfOurs(t *testing.T) {
	noLeaks(t)
	path := logFile(t)
	told := filepath.Join(surroundings(t), "told")
	script(t, "xdg-open", `env > "$HOME/told"`)
	if err := desktop.OpenFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	checkSurroundings(t, told)
}

func TestWlCopyGetsNoCredentialsOfOurs(t *testing.T) {
	noLeaks(t)
	told := filepath.Join(surroundings(t), "told")
	script(t, "wl-copy", `env > "$HOME/told"`)
	c := closed(t, &desktop.Clipboard{})
	if err := c.WriteText(t.Context(), "text"); err != nil {
		t.Fatal(err)
	}
	checkSurroundings(t, told)
}
