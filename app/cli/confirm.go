package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"fairlead/app/table"
)

// confirm asks on the terminal whether the proxies of production contexts are to start. Where there is no terminal to ask
// on, asked is false.
func confirm(ctx context.Context, contexts []string) (asked, confirmed bool) {
	var questions []string
	for _, name := range contexts {
		questions = append(questions, fmt.Sprintf("Context %s is marked as production. Start its proxy? [y/N] ", table.Clean(name)))
	}
	return askAll(ctx, questions)
}

// askAll asks questions on the terminal, and reports whether the answer to all of them is yes. Where there is no terminal to
// ask on, asked is false.
func askAll(ctx context.Context, questions []string) (asked, confirmed bool) {
	if !table.IsTerminal(os.Stdin) || !table.IsTerminal(os.Stderr) {
		return false, false
	}
	for _, question := range questions {
		fmt.Fprint(os.Stderr, question)
		answered := make(chan string, 1)
		go func() { // cannot be cancelled, so after ctx it lasts until the program ends
			line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
			answered <- line
		}()
		select {
		case line := <-answered:
			if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
				return true, false
			}
		case <-ctx.Done():
			return true, false
		}
	}
	return true, true
}
