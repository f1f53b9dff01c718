package row

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"fairlead/build/bench/far"
)

// A curl is the program curl as a client of one proxy.
type curl struct {
	name string   // of the subject
	args []string // that name the proxy
}

// curlTimedOut is curl's exit status at the end of --max-time.
const curlTimedOut = 28

// ask makes a short request on a new connection, and returns the time from curl's start of it to the first byte.
func (c curl) ask(ctx context.Context, target string) (time.Duration, error) {
	first, _, size, err := c.run(ctx, target, "--max-time", fmt.Sprint(answerWithin.Seconds()))
	if err == nil && size == 0 {
		err = errors.New("the answer is empty")
	}
	return first, err
}

// download reads for the time span from the far side's source, which the first letter of the method selects and which
// sends no HTTP. The time of the result begins with the first byte.
func (c curl) download(ctx context.Context, target string, span time.Duration) (transferResult, error) {
	first, total, size, err := c.run(ctx, target, "--http0.9", "--request", string(rune(far.Source)), "--max-time", fmt.Sprint(span.Seconds()))
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == curlTimedOut && size > 0 {
		err = nil
	}
	return transferResult{bytes: size, time: total - first}, err
}

// run runs curl and returns what it measured, even if it fails.
func (c curl) run(ctx context.Context, target string, args ...string) (first, total time.Duration, size int64, err error) {
	// Neither the user's .curlrc nor the environment's exceptions apply.
	all := append([]string{"-q", "--silent", "--show-error", "--fail", "--noproxy", "", "--proxytunnel", "--output", "/dev/null",
		"--write-out", "%{time_starttransfer} %{time_total} %{size_download}"}, c.args...)
	cmd := exec.CommandContext(ctx, "curl", append(append(all, args...), "http://"+target+"/")...)
	var said, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaint
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%s: curl: %w: %s", c.name, err, strings.TrimSpace(complaint.String()))
	}
	var firstSeconds, totalSeconds float64
	if _, scanErr := fmt.Sscan(said.String(), &firstSeconds, &totalSeconds, &size); scanErr != nil {
		return 0, 0, 0, errors.Join(err, fmt.Errorf("%s: curl printed %q: %w", c.name, said.String(), scanErr))
	}
	return time.Duration(firstSeconds * float64(time.Second)), time.Duration(totalSeconds * float64(time.Second)), size, err
}
