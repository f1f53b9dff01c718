// Package session is the model of the program: which contexts should be on, and what state each one is in.
//
// One goroutine, Manager.Run, owns the state. Everything else sends it an Intent and reads immutable Snapshots. A
// context has a desired state (State.Wanted) and an actual one (State.Phase). An intent changes the desired state, and
// Run brings about the actual one:
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
// Every arrow is bounded in time. A context that is switched off and on again at once waits in Stopping until its first
// run has ended. A start that takes too long is cancelled, and its context is Failed, as is one whose run does not end
// when it is cancelled.
//
// When the kubeconfig entry or the settings of a context change, its proxy applies the change in place if it can
// (Reconfigurer), and is stopped and started if it cannot. A context can turn itself off after a time, and a production
// one is switched on only by an intent that says that the user has confirmed it.
//
// The package does not know what a context is, how it is served, or who watches it: it imports neither proxy nor kube
// nor a view.
package session
