package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// The sections of the manual.
const (
	commandSection = "1"
	topicSection   = "7"
)

// optionWidth is the width of the lines of options, which fit on a terminal with the indent of a page.
const optionWidth = 72

// pages returns the pages of cmd and all its subcommands by the names of their files.
func pages(cmd *cobra.Command) map[string]string {
	all := map[string]string{fileName(cmd): page(cmd)}
	for _, sub := range shown(cmd) {
		for name, text := range pages(sub) {
			all[name] = text
		}
	}
	return all
}

// shown returns the direct subcommands and topics of cmd that have a page.
func shown(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			all = append(all, sub)
		}
	}
	return all
}

func section(cmd *cobra.Command) string {
	if cmd.IsAdditionalHelpTopicCommand() {
		return topicSection
	}
	return commandSection
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func fileName(cmd *cobra.Command) string { return pageName(cmd) + "." + section(cmd) }

// page returns the page of a command or a topic.
func page(cmd *cobra.Command) string {
	var out strings.Builder
	// No date: a page changes only with its text. No hyphenation and no justification, so that lines can be copied.
	fmt.Fprintf(&out, ".TH \"%s\" \"%s\" \"\" \"Fairlead\" \"Fairlead\\(aqs manual\"\n.nh\n.ad l\n", strings.ToUpper(pageName(cmd)), section(cmd))
	fmt.Fprintf(&out, ".SH NAME\n%s \\- %s\n", roff(pageName(cmd)), roff(cmd.Short))
	if section(cmd) == topicSection {
		out.WriteString(".SH DESCRIPTION\n")
		writeText(&out, strings.TrimPrefix(cmd.Long, cmd.Short)) // its first line is its title
	} else {
		writeCommand(&out, cmd)
	}
	if cmd.HasParent() {
		fmt.Fprintf(&out, ".SH SEE ALSO\n\\fB%s\\fR(%s)\n", roff(pageName(cmd.Parent())), section(cmd.Parent()))
	}
	return out.String()
}

// writeCommand writes the sections of a command's page.
func writeCommand(out *strings.Builder, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(out, ".SH SYNOPSIS\n\\fB%s\\fR\n", roff(cmd.UseLine()))
	out.WriteString(".SH DESCRIPTION\n")
	if cmd.Long == "" {
		writeText(out, cmd.Short+".")
	} else {
		writeText(out, cmd.Long)
	}
	if len(cmd.Aliases) > 0 {
		out.WriteString(".SH ALIASES\n")
		writeLines(out, strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Example != "" {
		out.WriteString(".SH EXAMPLES\n")
		writeLines(out, cmd.Example)
	}
	out.WriteString(".SH OPTIONS\n")
	writeLines(out, cmd.NonInheritedFlags().FlagUsagesWrapped(optionWidth))
	if inherited := cmd.InheritedFlags(); inherited.HasAvailableFlags() {
		out.WriteString(".SH OPTIONS OF ALL COMMANDS\n")
		writeLines(out, inherited.FlagUsagesWrapped(optionWidth))
	}
	if below := shown(cmd); len(below) > 0 {
		out.WriteString(".SH COMMANDS AND TOPICS\n")
		for _, sub := range below {
			fmt.Fprintf(out, ".TP\n\\fB%s\\fR(%s)\n%s\n", roff(pageName(sub)), section(sub), roff(sub.Short))
		}
	}
}
