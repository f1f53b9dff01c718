package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fairlead/app/table"
)

// terminal opens a terminal of some width: what is written to tty can be read from screen.
func terminal(t *testing.T, width int) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return screen, tty
}

// onTerminal returns what a command prints on a terminal of some width.
func (h *home) onTerminal(t *testing.T, width int, env string, args ...string) string {
	t.Helper()
	screen, tty := terminal(t, width)
	cmd := h.command(t, args...)
	cmd.Env = append(cmd.Env, env)
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, screen); err != nil && !errors.Is(err, syscall.EIO) { // the end of a terminal
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, text.String())
	}
	return strings.ReplaceAll(text.String(), "\r\n", "\n")
}

// uncoloured returns text without the escape codes of colours.
func uncoloured(text string) string {
	for _, s := range []table.Style{table.Bold, table.Faint, table.Bad, table.Good, table.Warn, table.Busy, "0"} {
		text = strings.ReplaceAll(text, "\x1b["+string(s)+"m", "")
	}
	return text
}

// fits fails the test if a line is wider than a terminal of some width, or has other escape codes than colours.
func fits(t *testing.T, width int, text string) {
	t.Helper()
	for line := range strings.Lines(uncoloured(text)) {
		line = strings.TrimSuffix(line, "\n")
		if table.TextWidth(line) > width || strings.Contains(line, "\x1b") {
			t.Errorf("%d cells on a terminal of %d: %q", table.TextWidth(line), width, line)
		}
	}
}

// A broken check is coloured as well, and its explanation fits the width of the terminal.
func TestTheDoctorFitsTheTerminal(t *testing.T) {
	h := newHome(t, "a")
	_ = h.server.Close()
	for _, width := range []int{30, 60, 100} {
		screen, tty := terminal(t, width)
		cmd := h.command(t, "doctor")
		cmd.Stdout = tty
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = tty.Close()
		var text bytes.Buffer
		if _, err := io.Copy(&text, screen); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("doctor: %v", err)
		}
		said := strings.ReplaceAll(text.String(), "\r\n", "\n")
		fits(t, width, said)
		if !strings.Contains(said, "\x1b[31mBROKEN") || !strings.Contains(said, "\x1b[32mok") {
			t.Errorf("%q", said)
		}
	}
}

func TestTheHelpFitsTheTerminal(t *testing.T) {
	h := newHome(t)
	for _, line := range []string{"help", "help on", "connections --help", "help security", "help settings", "settings"} {
		for _, width := range []int{40, 80} {
			fits(t, width, h.onTerminal(t, width, "", strings.Fields(line)...))
		}
		if piped := h.must(t, strings.Fields(line)...); strings.Contains(line, "security") && h.onTerminal(t, 200, "", strings.Fields(line)...) != piped {
			t.Errorf("%s differs on a wide terminal", line)
		}
	}
}

func TestTerminalsGetColoursAndLinesThatFit(t *testing.T) {
	long := "arn:aws:eks:eu-central-1:123456789012:cluster/" + strings.Repeat("payments-", 20) + "green"
	h := newHome(t, "上海-生产-集群-一", "👩‍💻-dev", long)
	h.serve(t, "上海-生产-集群-一", long)
	for _, args := range [][]string{{"list"}, {"list", "-o", "wide"}, {"status"}, {"status", "-o", "wide"}, {"logs"}} {
		for _, width := range []int{40, 80, 160} {
			text := h.onTerminal(t, width, "", args...)
			if args[0] == "logs" {
				continue // long lines are the terminal's to break
			}
			fits(t, width, text)
			// A context is on until the check of its API server has failed, which takes seconds, and failed then.
			if !strings.Contains(text, "\x1b[1m") || width > 40 && !strings.Contains(text, "\x1b[32mon\x1b[0m") && !strings.Contains(text, "\x1b[31mfailed\x1b[0m") {
				t.Errorf("fairlead %s: no colours:\n%q", strings.Join(args, " "), text)
			}
		}
		for _, plain := range []string{"NO_COLOR=1", "TERM=dumb"} {
			if got := h.onTerminal(t, 80, plain, args...); strings.Contains(got, "\x1b") {
				t.Errorf("fairlead %s with %s: %q", strings.Join(args, " "), plain, got)
			}
		}
	}
}

func TestAWatchedStatusStaysInPlace(t *testing.T) {
	h := newHome(t, "a", "b")
	h.serve(t, "a", "b")
	screen, tty := terminal(t, 60)
	cmd := h.command(t, "status", "--watch")
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	var said string
	chunk := make([]byte, 4096)
	frames := func() []string { return strings.Split(strings.ReplaceAll(said, "\r\n", "\n"), "\x1b[H\x1b[J") }
	until := func(what string, holds func(last string) bool) {
		t.Helper()
		for {
			all := frames()
			if holds(all[len(all)-1]) {
				return
			}
			n, err := screen.Read(chunk)
			if said += string(chunk[:n]); err != nil {
				t.Fatalf("never %s:\n%q", what, said)
			}
		}
	}
	whole := func(last string) bool { return strings.Contains(last, "CONTEXT") && strings.HasSuffix(last, "\n") }
	until("both", func(last string) bool {
		return whole(last) && strings.Contains(last, "\na ") && strings.Contains(last, "\nb ")
	})
	h.must(t, "off", "b")
	until("only a", func(last string) bool {
		return whole(last) && strings.Contains(last, "\na ") && !strings.Contains(last, "\nb ")
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, frame := range frames() {
		fits(t, 60, frame)
	}
}

// answered runs a command line on a terminal, and types an answer when it asks.
func (h *home) answered(t *testing.T, answer string, args ...string) (said string) {
	t.Helper()
	screen, tty := terminal(t, 80)
	cmd := h.command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	typed := false
	chunk := make([]byte, 1024)
	for {
		n, err := screen.Read(chunk)
		said += string(chunk[:n])
		if err != nil {
			break
		}
		if strings.Contains(said, "[y/N] ") && !typed {
			typed = true
			if _, err := screen.WriteString(answer); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(said, "socks5h://") && args[0] == "serve" {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	return strings.ReplaceAll(said, "\r\n", "\n")
}

func TestProductionIsConfirmedOnATerminal(t *testing.T) {
	h := newHome(t, "dev", "shop-prod")
	const question = "Context shop-prod is marked as production. Start its proxy? [y/N] "
	for _, row := range []struct {
		answer, line string
		asks, starts bool
	}{
		{"n\n", "serve dev shop-prod", true, false},
		{"\n", "serve shop-prod", true, false},
		{"y\n", "serve shop-prod", true, true},
		{"", "serve --yes shop-prod", false, true},
		{"", "serve dev", false, true},
	} {
		said := h.answered(t, row.answer, strings.Fields(row.line)...)
		if strings.Contains(said, question) != row.asks || strings.Contains(said, "socks5h://") != row.starts {
			t.Errorf("fairlead %s, answered %q:\n%s", row.line, row.answer, said)
		}
	}
	h.serve(t, "dev")
	if status, _, stderr := h.run(t, "on", "shop-prod"); status != 1 || !strings.Contains(stderr, "start it with `fairlead on --yes shop-prod`") {
		t.Errorf("without a terminal: %d, %q", status, stderr)
	}
	if said := h.answered(t, "n\n", "on", "shop-prod"); !strings.Contains(said, question) || strings.Contains(said, "socks5h://") {
		t.Errorf("on, answered no:\n%s", said)
	}
	if said := h.answered(t, "yes\n", "on", "dev", "shop-prod"); strings.Count(said, "[y/N]") != 1 || !strings.Contains(said, "shop-prod  socks5h://") {
		t.Errorf("on, answered yes:\n%s", said)
	}
	h.must(t, "off", "--all")
	if status, stdout, stderr := h.run(t, "serve", "dev", "shop-prod"); status != 1 || stdout != "" || !strings.Contains(stderr, "start it with `fairlead serve --yes dev shop-prod`") {
		t.Errorf("serve without a terminal: %d, %q, %q", status, stdout, stderr)
	}
	h.serve(t, "shop-prod", "--yes")
}
