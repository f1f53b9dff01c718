package portforward

import (
	"strings"
	"testing"
)

// Terminals obey C1 controls as they do escape sequences, and other characters turn the text around or hide in it.
func TestWordsFromBehindTheAPIServerLeaveTerminalsAlone(t *testing.T) {
	const hostile = "a\x1b[31m\u009b31m\u0085b\u202ec\u2066\u2028d\u200b\ufeff\U000e0041e\xff"
	const want = "a [31m 31m bc de?"
	w := newWorld(t)
	w.refuseUpgrades("", 500, "text/plain", hostile)
	_, err := dial(t, w.forwarder(nil), at(7))
	if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
		t.Errorf("%q", err)
	}
	err, _ = runtimeError(at(7)[0], hostile)
	if !strings.HasSuffix(err.Error(), ": "+want) {
		t.Errorf("%q", err)
	}
}
