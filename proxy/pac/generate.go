//go:build ignore

// This program writes toplevel.txt, the top-level domains in the rules of golang.org/x/net/publicsuffix. Only the source
// of that package's test lists the rules, so it reads that. Run it with go generate after updating the module.
package main

import (
	"bufio"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

func main() {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/net").Output()
	if err != nil {
		log.Fatal(err)
	}
	table, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "publicsuffix", "table_test.go"))
	if err != nil {
		log.Fatal(err)
	}
	var labels []string
	scan := bufio.NewScanner(table)
	for scan.Scan() && scan.Text() != "}" {
		rule, ok := strings.CutPrefix(scan.Text(), "\t\"")
		if rule, ok = strings.CutSuffix(rule, "\","); !ok {
			continue
		}
		label := rule[strings.LastIndexByte(rule, '.')+1:]
		// Some top-level domains have no rule of their own, only one for the names below them: *.ck.
		_, icann := publicsuffix.PublicSuffix(label)
		_, icannBelow := publicsuffix.PublicSuffix("x." + label)
		if (icann || icannBelow) && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	if err := scan.Err(); err != nil {
		log.Fatal(err)
	}
	slices.Sort(labels)
	if err := os.WriteFile("toplevel.txt", []byte(strings.Join(labels, "\n")+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
}
