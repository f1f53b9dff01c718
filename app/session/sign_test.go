package session

import (
	"fmt"
	"slices"
	"testing"
)

func TestTheSignOfEveryPhaseWithEveryTrouble(t *testing.T) {
	const other Trouble = "" // a reason without a kind, or none
	troubles := []Trouble{other, LoginNeeded, PortTaken, Unreachable, ChangeFailed, Unusable, CannotListen}
	for _, row := range []struct {
		phase Phase
		signs []Sign // for each of the troubles
	}{
		{Off, []Sign{SignOff, SignAttention, SignAttention, SignOff, SignAttention, SignAttention, SignAttention}},
		{Starting, slices.Repeat([]Sign{SignWorking}, len(troubles))},
		{On, []Sign{SignOn, SignAttention, SignAttention, SignOn, SignAttention, SignAttention, SignAttention}},
		{Unavailable, []Sign{SignFailed, SignAttention, SignAttention, SignFailed, SignAttention, SignAttention, SignAttention}},
		{Stopping, slices.Repeat([]Sign{SignWorking}, len(troubles))},
		{Failed, []Sign{SignFailed, SignAttention, SignAttention, SignFailed, SignAttention, SignAttention, SignAttention}},
	} {
		for i, trouble := range troubles {
			c := State{Phase: row.phase, Usable: trouble != Unusable, Trouble: trouble}
			if got := c.Sign(); got != row.signs[i] {
				t.Errorf("%s with trouble %q: %s, want %s", row.phase, trouble, got, row.signs[i])
			}
		}
	}
}

func TestASignHasOneWord(t *testing.T) {
	words := map[string]Sign{}
	for _, sign := range Signs() {
		word := sign.Word()
		if other, taken := words[word]; taken || word == "" {
			t.Errorf("%s is called %q, as is %s", sign, word, other)
		}
		words[word] = sign
	}
	for _, c := range []struct {
		state State
		word  string
	}{
		{State{Phase: Off}, "off"},
		{State{Phase: Starting}, "starting"},
		{State{Phase: Stopping}, "stopping"},
		{State{Phase: On}, "on"},
		{State{Phase: Unavailable, Trouble: Unreachable}, "failed"},
		{State{Phase: Unavailable, Trouble: LoginNeeded}, "needs you"},
	} {
		if got := c.state.Word(); got != c.word {
			t.Errorf("%+v is called %q, want %q", c.state, got, c.word)
		}
	}
}

func TestTheSignOfAllContextsIsTheMostUrgent(t *testing.T) {
	off, starting, on := State{Phase: Off}, State{Phase: Starting}, State{Phase: On}
	failed, login := State{Phase: Failed}, State{Phase: Unavailable, Trouble: LoginNeeded}
	unused := State{Phase: Off, Trouble: Unusable}
	for i, c := range []struct {
		contexts []State
		want     Sign
	}{
		{nil, SignOff},
		{[]State{off, unused}, SignOff},
		{[]State{off, on, unused}, SignOn},
		{[]State{on, starting}, SignWorking},
		{[]State{starting, failed, on}, SignFailed},
		{[]State{failed, login, starting}, SignAttention},
	} {
		s := Snapshot{Contexts: c.contexts, Problems: []string{"A file that no context is in."}}
		if len(c.contexts) == 0 {
			s.Problems = nil
		}
		if got := s.Sign(); got != c.want {
			t.Errorf("case %d: %s, want %s", i, got, c.want)
		}
	}
	if got := (Snapshot{Problems: []string{"The kubeconfig cannot be read."}}).Sign(); got != SignAttention {
		t.Errorf("without contexts and with a problem: %s", got)
	}
}

func TestProductionIsOnWhileClientsMayReachIt(t *testing.T) {
	for phase, want := range map[Phase]bool{Off: false, Starting: true, On: true, Unavailable: true, Stopping: false, Failed: false} {
		s := Snapshot{Contexts: []State{{Phase: On}, {Phase: phase, Production: true}}}
		if s.Production() != want {
			t.Error(fmt.Sprint(phase, ": ", !want))
		}
	}
	if (Snapshot{Contexts: []State{{Phase: On}}}).Production() {
		t.Error("no production context is on")
	}
}
