package portforward

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fairlead/kube/fault"
)

// Terminals obey C1 controls as they do escape sequences, and other characters reverse the text around them or hide in
// it.
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

// Each field takes many times its bytes in memory, for as long as the answer is read.
func TestAnAnswerOfManyFieldsIsNone(t *testing.T) {
	for _, status := range []int{101, 103, 403, 500} {
		w := newWorld(t)
		refuse := func(rw http.ResponseWriter, _ *http.Request) bool {
			for i := range 300 {
				rw.Header().Add("X", strconv.Itoa(i))
			}
			rw.WriteHeader(status)
			return true
		}
		w.refuse.Store(&refuse)
		_, err := dial(t, w.forwarder(nil), at(7))
		if big, ok := errors.AsType[*fault.Oversized](err); !ok || big.Of != fault.Fields || big.Server != w.server.Listener.Addr().String() || errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("%d: %T %v", status, err, err)
		}
	}
}
