package explain

import "fmt"

// unanswered is a plain-HTTP request whose connection ended before its answer began. It was sent twice if that is safe.
type unanswered interface {
	error
	Unanswered() (target string, repeated bool)
}

func noAnswer(e unanswered) words {
	target, repeated := e.Unanswered()
	x := words{
		title:    "No answer",
		sentence: fmt.Sprintf("%s closed the connection before it answered.", name(target)),
		hint:     "It may have carried the request out, so Fairlead did not send it again.",
	}
	if repeated {
		x.hint = "Fairlead asked twice. The program there may speak no HTTP on this port, or may have crashed: its log says more."
	}
	return x
}

// foreign is a refused request of a page of one origin to another origin.
type foreign interface {
	error
	CrossOrigin() (target, origin string)
}

func otherSite(e foreign) words {
	target, origin := e.CrossOrigin()
	return words{
		title:    "Page of another site",
		sentence: fmt.Sprintf("A page of %s asked for %s, and this context refuses what pages of other sites ask for.", name(origin), name(target)),
		hint:     "If that page may do so, allow it in the settings: cross-site: allow.",
	}
}
