package explain

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

var topicRow = regexp.MustCompile(`(?m)^ +([0-9]|-) +([0-9]{3})  [a-zA-Z]`)

// The help topic on answers must have exactly the codes of the table.
func TestTheTopicOnAnswersHasTheTablesCodes(t *testing.T) {
	text, err := os.ReadFile("../command/help/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	type codes struct{ socks5, status string }
	said, known := map[codes]bool{}, map[codes]bool{}
	for _, m := range topicRow.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "-" { // a failure that only HTTP has
			said[codes{m[1], m[2]}] = true
		}
	}
	for _, r := range append(table(), unknown) {
		known[codes{strconv.Itoa(int(r.socks5)), strconv.Itoa(r.status)}] = true
		if r.socks4 != rejected {
			t.Errorf("SOCKS4 answers %d, and the topic says that it answers %d to everything", r.socks4, rejected)
		}
	}
	for c := range known {
		if !said[c] {
			t.Errorf("the topic has no row for SOCKS5 %s, HTTP %s", c.socks5, c.status)
		}
	}
	for c := range said {
		if !known[c] {
			t.Errorf("the topic has a row for SOCKS5 %s, HTTP %s, which nothing gets", c.socks5, c.status)
		}
	}
	if !slices.Contains(regexp.MustCompile(`[0-9]+`).FindAllString(string(text), -1), strconv.Itoa(rejected)) {
		t.Errorf("the topic does not say what SOCKS4 answers")
	}
}
