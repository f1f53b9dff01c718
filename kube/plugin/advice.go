package plugin

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// adviceCommand returns the login command that a plugin named in its last words, as in «run "aws configure"»; empty if
// there is none. The words may come from a server or its identity provider: only a command in which everything is known to
// be harmless counts, and what is not understood makes the whole command not count, rather than being left out. It is a
// program of the user entry or a companion of it, a subcommand that logs in, and options of plain words. What is
// returned has no quotes, so it is the same to every shell and to the eye.
func adviceCommand(c *clientcmdapi.ExecConfig, said string) string {
	programs := advisers(c)
	for line := range strings.Lines(strings.ReplaceAll(said, "\r", "\n")) {
		line = strings.TrimSpace(escapes.ReplaceAllString(line, ""))
		if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) {
			continue
		}
		for _, program := range programs {
			if found := adviceIn(line, program); found != nil {
				return completeAdvice(c, found)
			}
		}
	}
	return ""
}

// companions are the programs that log in for well-known plugins.
var companions = map[string][]string{
	"aws":                    {"aws"},
	"aws-iam-authenticator":  {"aws"},
	"gcloud":                 {"gcloud"},
	"gke-gcloud-auth-plugin": {"gcloud"},
	"az":                     {"az"},
	"azd":                    {"azd"},
	"kubelogin":              {"az", "azd"},
	"tsh":                    {"tsh"},
	"doctl":                  {"doctl"},
	"oci":                    {"oci"},
}

// launchers run other programs. They log in nowhere, and what they run is among their arguments.
var launchers = []string{"sh", "bash", "zsh", "dash", "fish", "env", "sudo", "doas", "nice", "timeout", "xargs", "cmd", "powershell", "pwsh",
	"python", "python3", "node", "npx", "ruby", "perl", "docker", "podman", "kubectl", "aws-vault"}

// advisers returns the programs whose commands count as advice.
func advisers(c *clientcmdapi.ExecConfig) []string {
	name := programName(c.Command)
	programs := slices.Clone(companions[name])
	if slices.Contains(launchers, name) {
		for _, argument := range c.Args {
			for _, word := range strings.Fields(argument) {
				programs = append(programs, companions[programName(word)]...)
			}
		}
		return programs
	}
	if ownName.MatchString(name) && !slices.Contains(programs, name) {
		programs = append(programs, name)
	}
	return programs
}

// programName returns the name of a program without its folder.
func programName(command string) string {
	return strings.TrimSuffix(strings.ToLower(filepath.Base(filepath.ToSlash(command))), ".exe")
}

var (
	ownName    = regexp.MustCompile(`^[a-z][a-z0-9_-]{1,60}$`)
	subcommand = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}$`)
	option     = regexp.MustCompile(`^--?[a-z][a-z0-9-]{0,40}$`)
	// Options that nobody should take from a stranger's message: secrets, and what turns checks off or leads elsewhere.
	unsafeOption = regexp.MustCompile(`token|passw|secret|key|insecure|skip|verify|endpoint|debug|exec|command`)
	uuid         = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(/|$)`)
)

// adviceIn returns the words of the first login command of a program in a line, or nil.
func adviceIn(line, program string) []string {
	for at := 0; at < len(line); {
		next := strings.Index(line[at:], program+" ")
		if next < 0 {
			return nil
		}
		begin := at + next
		at = begin + len(program)
		if words := adviceAt(line, begin, program); words != nil {
			return words
		}
	}
	return nil
}

// quotes are pairs that stand around commands in messages.
var quotes = map[rune]string{'"': `"`, '\'': `'`, '`': "`", '“': "”", '‘': "’"}

// adviceAt returns the words of the command of a program that begins at a byte of a line, or nil. A command in quotes
// and one that has a line for itself end with them. Within a sentence it ends with what can belong to it.
func adviceAt(line string, begin int, program string) []string {
	before, rest := []rune(line[:begin]), line[begin+len(program):]
	if len(before) == 0 || string(before) == "$ " {
		if words := wholeCommand(program, rest); words != nil {
			return words
		}
		return commandInSentence(program, rest)
	}
	last := before[len(before)-1]
	if closing := quotes[last]; closing != "" {
		inside, _, closed := strings.Cut(rest, closing)
		if !closed {
			return nil
		}
		return wholeCommand(program, inside)
	}
	if last != ' ' && last != '\t' && last != '(' {
		return nil
	}
	return commandInSentence(program, rest)
}

// wholeCommand returns the words of a command if all of rest belongs to it: a subcommand, options with their values,
// and at most one more word, such as the name of a cluster.
func wholeCommand(program, rest string) []string {
	fields := strings.Fields(rest)
	sub, over := subcommandOf(fields)
	if len(sub) == 0 || over {
		return nil
	}
	words := append([]string{program}, sub...)
	operands := 0
	for i := len(sub); i < len(fields); i++ {
		if strings.HasPrefix(fields[i], "-") {
			word, ok := cleanOption(fields[i])
			if !ok {
				return nil
			}
			words = append(words, word)
			continue
		}
		value, ok := cleanValue(fields[i])
		if previous := fields[i-1]; !strings.HasPrefix(previous, "-") || strings.Contains(previous, "=") {
			operands++
		}
		if !ok || operands > 1 {
			return nil
		}
		words = append(words, value)
	}
	return bounded(words)
}

// valued are the options that have a value in the advice of well-known plugins.
var valued = []string{"--profile", "--profile-name", "--region", "--proxy", "--auth", "--user", "--tenant", "--tenant-id", "--scope", "--account", "--context",
	"--kube-cluster", "--sso-session", "--tenancy-name"}

// commandInSentence returns the words of a command that a sentence continues, or nil.
func commandInSentence(program, rest string) []string {
	fields := strings.Fields(rest)
	sub, over := subcommandOf(fields)
	if len(sub) == 0 {
		return nil
	}
	words := append([]string{program}, sub...)
	for i := len(sub); i < len(fields) && !over; i++ {
		if !strings.HasPrefix(fields[i], "-") || fields[i] == "-" {
			if strings.ContainsAny(fields[i][:1], "|&;<>$`(){}[]*?!#~\\=%^\"'") {
				return nil
			}
			break
		}
		var field string
		field, over = trimSentence(fields[i])
		word, ok := cleanOption(field)
		if !ok {
			return nil
		}
		words = append(words, word)
		if strings.Contains(word, "=") || over || i+1 == len(fields) || strings.HasPrefix(fields[i+1], "-") {
			continue
		}
		if !slices.Contains(valued, word) {
			return nil // the next word may be its value, or the sentence's
		}
		i++
		field, over = trimSentence(fields[i])
		value, ok := cleanValue(field)
		if !ok {
			return nil
		}
		words = append(words, value)
	}
	return bounded(words)
}

// trimSentence removes what ends a sentence, or a part of it, from a word, and reports whether there was something.
func trimSentence(word string) (trimmed string, over bool) {
	trimmed = strings.TrimRight(word, ".,:)'\"”’")
	return trimmed, trimmed != word
}

// subcommandOf returns the first words of a command's arguments if they are a subcommand that logs in, and whether a
// sentence, or a part of it, ends after them.
func subcommandOf(fields []string) (words []string, over bool) {
	length := 0
	for i, field := range fields[:min(len(fields), 3)] {
		word, ends := trimSentence(field)
		if !subcommand.MatchString(word) {
			break
		}
		words = append(words, word)
		switch word {
		case "login", "signin", "sign-in", "configure", "init", "authenticate", "refresh":
			length, over = i+1, ends
		case "sso", "config":
			if i > 0 && (fields[i-1] == "configure" || fields[i-1] == "setup") {
				length, over = i+1, ends
			}
		}
		if ends {
			break
		}
	}
	return words[:length], over
}

// cleanOption returns an option, and its value if that is in the same word, without quotes; false if it is not plain.
func cleanOption(word string) (string, bool) {
	name, value, joined := strings.Cut(word, "=")
	if !option.MatchString(name) || unsafeOption.MatchString(name) {
		return "", false
	}
	if !joined {
		return name, true
	}
	value, ok := cleanValue(value)
	return name + "=" + value, ok
}

// cleanValue returns a value without the quotes around it; false if it is not a plain word, or may be a secret.
func cleanValue(word string) (string, bool) {
	for _, quote := range []string{`"`, `'`} {
		if inside, ok := strings.CutPrefix(word, quote); ok && strings.HasSuffix(inside, quote) {
			word = strings.TrimSuffix(inside, quote)
			break
		}
	}
	return word, plainWord.MatchString(word) && (withoutSecrets(word) == word || uuid.MatchString(word))
}

// maxAdvice bounds the length of a command, which is shown in one line.
const maxAdvice = 200

func bounded(words []string) []string {
	if len(strings.Join(words, " ")) > maxAdvice {
		return nil
	}
	return words
}

// completeAdvice returns a command, with the profile or the proxy of the user entry if it leaves that out: a plugin says
// «run aws sso login with the corresponding profile».
func completeAdvice(c *clientcmdapi.ExecConfig, words []string) string {
	command := strings.Join(words, " ")
	if slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, "-") }) {
		return command
	}
	known, name, value := knownLogin(c)
	if words[0] == "aws" {
		known, name, value = command, "--profile", cmp.Or(argument(c, "--profile"), variable(c, "AWS_PROFILE"))
	}
	if command == known && value != "" && plainWord.MatchString(value) {
		command += " " + name + " " + value
	}
	return command
}
