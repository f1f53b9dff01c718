// Package session is the model of the program: which contexts should be on, and how each one fares.
//
// One goroutine, Manager.Run, owns the state. Everything else sends it an Intent and reads immutable Snapshots. A context has
// a wish (State.Wanted) and a reality (State.Phase); an intent changes the wish, and Run makes it true:
//
//	      switched on         listens        cluster not reached
//	Off ──────────────▶ Starting ─────▶ On ───────────────────────▶ Unavailable
//	 ▲                   │    │         │  ◀───────────────────────    │
//	 │                   │    │ cannot  │ ends by itself  reached      │
//	 │      switched off │    ▼         ▼                              │
//	 │                   │  Failed ◀────┴──────────────────────────────┤
//	 │   ended           ▼                        switched off         │
//	 └─────────────── Stopping ◀───────────────────────────────────────┘
//
// Every arrow is bounded in time. A context that is switched off and at once on again waits in Stopping until its first run has
// ended. A start that takes too long is cancelled, and its context is Failed; so is one whose run does not end when told to.
//
// A change of what a context is made of, its kubeconfig entry or its settings, moves a running proxy over in place where the proxy
// can do that (Reconfigurer), by Stopping and Starting where it cannot. A context can turn itself off after a time, and one of
// production is switched on only by an intent that says the user was asked.
//
// The package does not know what a context is, how it is served, or who looks: it imports neither proxy nor kube nor a view.
package session
