package session

import "slices"

// A Sign sums up the state of a context, or of all contexts, in one of five values. Every view shows it, each with the
// same picture and the same word.
//
// Attention and Failed differ in who can put it right. With Attention it is the user, and nothing changes before the
// user has done something here: logged in or installed the program that does, corrected the kubeconfig or the settings,
// freed a port. With Failed it is the network, the cluster or Fairlead: the API server is not reached, or the proxy
// could not be started or ended. A context that still serves while something else in the user's file is wrong has the
// sign Attention, too.
type Sign string

// The signs. Their values are the names of pictures, and are part of the output for programs.
const (
	SignOff       Sign = "off"
	SignWorking   Sign = "working" // it starts or stops
	SignOn        Sign = "on"
	SignAttention Sign = "attention" // only the user can put it right
	SignFailed    Sign = "failed"
)

// Signs returns all signs, the most urgent first.
func Signs() []Sign { return []Sign{SignAttention, SignFailed, SignWorking, SignOn, SignOff} }

// ProductionPicture is the name of the mark of production. The names of the pictures that carry it end with a hyphen and
// this.
const ProductionPicture = "production"

// Picture returns the name of the picture of a sign, with the mark of production or without it.
func (s Sign) Picture(production bool) string {
	if production {
		return string(s) + "-" + ProductionPicture
	}
	return string(s)
}

// Word returns the word that users read for a sign.
func (s Sign) Word() string { return s.WordFor(1) }

// WordFor returns the word that users read for the sign of a number of contexts.
func (s Sign) WordFor(contexts int) string {
	switch {
	case s == SignAttention && contexts != 1:
		return "need you"
	case s == SignAttention:
		return "needs you"
	case s == SignWorking:
		return "busy" // “working” reads as if all were well
	}
	return string(s)
}

// Sign returns the sign of a context. One that is off and cannot be turned on has SignAttention.
func (s State) Sign() Sign {
	switch {
	case s.Phase == Starting || s.Phase == Stopping:
		return SignWorking
	case s.forUser():
		return SignAttention
	case s.Phase == Failed || s.Phase == Unavailable:
		return SignFailed
	case s.Phase == On:
		return SignOn
	}
	return SignOff
}

// forUser reports whether a context has a trouble that only the user can put right.
func (s State) forUser() bool {
	switch s.Trouble {
	case LoginNeeded, PortTaken, CannotListen, ChangeFailed, Unusable:
		return true
	}
	return false
}

// Word returns the word that users read for a context's sign. One that is busy says what it does.
func (s State) Word() string {
	if sign := s.Sign(); sign != SignWorking {
		return sign.Word()
	}
	return string(s.Phase)
}

// Sign returns the most urgent sign of the contexts that are not off: an entry that cannot be used does not need the user
// as long as it is not wanted. If there are no contexts and something is wrong with the kubeconfig or the settings, it is SignAttention.
func (s Snapshot) Sign() Sign {
	if len(s.Contexts) == 0 && len(s.Problems)+len(s.SettingsProblems) > 0 {
		return SignAttention
	}
	signs := Signs()
	most := len(signs) - 1
	for _, c := range s.Contexts {
		if c.Phase != Off {
			most = min(most, slices.Index(signs, c.Sign()))
		}
	}
	return signs[most]
}

// Production reports whether a production context is on, or about to be: whether clients may reach it.
func (s Snapshot) Production() bool {
	return slices.ContainsFunc(s.Contexts, func(c State) bool {
		return c.Production && (c.Phase == Starting || c.Phase.Listening())
	})
}
