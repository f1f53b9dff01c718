package main

import (
	"path/filepath"
	"strconv"
	"strings"
)

const panelText = `
Fairlead is in the panel. Click its icon, then "demo"; or, in another terminal, with PATH set so that fairlead is the
demo's:

  export PATH=BIN:"$PATH"
  fairlead on demo demo-team
` + commands + `
Once demo is on, its line in the menu has the URL, too. Ctrl-C here, or Quit there, takes everything down; PROGRAM stays.

`

const foregroundText = `
In another terminal, with PATH set so that fairlead is the demo's:

  export PATH=BIN:"$PATH"
` + commands + `
Ctrl-C here takes everything down; PROGRAM stays.

`

// commands lists commands to try, one per line.
const commands = `  fairlead status
  curl --proxy socks5h://127.0.0.1:PORT1 http://hello.default.svc.cluster.local/
  curl --proxy http://127.0.0.1:PORT1 http://web.default/
  curl --proxy socks5h://127.0.0.1:PORT2 http://app/
  fairlead services demo
  fairlead doctor demo hello:80
  (eval "$(fairlead env demo)"; curl http://hello/)
  fairlead off demo-team
  fairlead on demo-team
  fairlead list
  fairlead logs
`

// fill replaces the placeholders in a text with the setup's values.
func (s *setup) fill(text string) string {
	return strings.NewReplacer(
		"BIN", quoted(filepath.Join(s.dir, "bin")), "PROGRAM", s.program,
		"PORT1", strconv.Itoa(s.ports[0]), "PORT2", strconv.Itoa(s.ports[1]),
	).Replace(text)
}
