package explain

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"fairlead/kube/fault"
)

// kubeconfig explains an entry that cannot work. Each hint says what to write instead, or which command writes the
// entry again.
func kubeconfig(e *fault.Kubeconfig) words {
	entry := name(e.Entry) + " " + name(e.Name)
	x := words{title: "Broken kubeconfig"}
	switch e.Cause {
	case fault.KubeconfigName:
		x.sentence = "The context's name has characters that cannot be shown."
		x.hint = "Rename it" + fileHint(e.Source) + "."
	case fault.KubeconfigFile:
		x.sentence = fmt.Sprintf("The %s of %s cannot be read: %s", name(e.Field), entry, unread(e))
		x.hint = "Put the file there, or correct its path" + fileHint(e.Source) + "."
		if errors.Is(e.Err, fs.ErrPermission) {
			x.hint = "Give yourself the right to read it."
		}
	case fault.KubeconfigPEM:
		x.sentence, x.hint = notPEM(e, entry)
	case fault.KubeconfigTrust:
		x.sentence = fmt.Sprintf("The %s has a certificate authority and insecure-skip-tls-verify: true, of which only one can be.", entry)
		x.hint = "Remove insecure-skip-tls-verify" + fileHint(e.Source) + "; without it the server is checked, as it should be."
	case fault.KubeconfigProxy:
		x.sentence = fmt.Sprintf("The proxy-url of %s begins with %s:, which kubectl does not take.", entry, name(e.Value))
		x.hint = "Write http, https or socks5" + fileHint(e.Source) + "."
		if e.Value == "socks5h" {
			x.hint = "Write socks5" + fileHint(e.Source) + ": the proxy looks up the server's name with that, too."
		}
	case fault.KubeconfigProvider:
		x.sentence, x.hint = provider(e, entry)
	case fault.KubeconfigVersion:
		x.sentence, x.hint = pluginVersion(e, entry)
	case fault.KubeconfigMode:
		x.sentence = fmt.Sprintf("The exec of %s has no interactiveMode, which its apiVersion asks for.", entry)
		if e.Value != "" {
			x.sentence = fmt.Sprintf("The exec of %s has the interactiveMode %s, which is none.", entry, name(e.Value))
		}
		x.hint = "Write interactiveMode: IfAvailable" + fileHint(e.Source) + ", or Never or Always."
	case fault.KubeconfigHidden:
		x.sentence = fmt.Sprintf("Of %s, %s does not count: %s has another of that name and comes first, as with kubectl.",
			Plain(e.File, textLength), name(e.Value), Plain(e.Source, textLength))
		x.hint = "Give one of the two another name."
		if strings.Contains(e.Value, " and ") {
			x.sentence = strings.Replace(x.sentence, "does not count", "do not count", 1)
			x.sentence = strings.Replace(x.sentence, "has another of that name", "has others of those names", 1)
			x.hint = "Give those of one file other names."
		}
	case fault.KubeconfigKey:
		x.sentence = fmt.Sprintf("The %s has a client certificate without its key.", entry)
		x.hint = "Add client-key-data, or client-key with the key's file" + fileHint(e.Source) + "."
	default:
		x.sentence = sentence(e.Error())
		x.hint = "Correct it" + fileHint(e.Source) + "."
	}
	return x
}

// fileHint names the file to change, after a space.
func fileHint(source string) string {
	if source == "" {
		return " in the kubeconfig"
	}
	return " in " + Plain(source, textLength)
}

// unread returns a sentence about a file that cannot be read, with the reason.
func unread(e *fault.Kubeconfig) string {
	file := Plain(e.File, textLength)
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return "there is no file " + file + "."
	case errors.Is(e.Err, fs.ErrPermission):
		return "you may not read " + file + "."
	}
	return fmt.Sprintf("%s: %s.", file, fragment(fmt.Sprint(e.Err)))
}

func notPEM(e *fault.Kubeconfig, entry string) (sentence, hint string) {
	what, begin := "certificate", "-----BEGIN CERTIFICATE-----"
	if strings.HasPrefix(e.Field, "client-key") {
		what, begin = "private key", "-----BEGIN PRIVATE KEY-----"
	}
	sentence = fmt.Sprintf("The %s of %s is no %s in PEM form.", name(e.Field), entry, what)
	hint = fmt.Sprintf("Put one there that begins with %s", begin)
	if e.File == "" {
		return sentence, hint + ", encoded in base64."
	}
	return fmt.Sprintf("The %s of %s, %s, is no %s in PEM form.", name(e.Field), entry, Plain(e.File, textLength), what), hint + "."
}

// provider explains what has replaced an auth-provider.
func provider(e *fault.Kubeconfig, entry string) (sentence, hint string) {
	sentence = fmt.Sprintf("The %s logs in by the auth-provider %s, which kubectl no longer has", entry, name(e.Value))
	program := map[string]string{"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin", "openstack": "client-keystone-auth"}[e.Value]
	if program == "" {
		return strings.Replace(sentence, "no longer has", "does not have", 1) + ".",
			"Let the tool that made the entry write it again, with a credential plugin."
	}
	sentence += fmt.Sprintf(": %s took its place.", program)
	switch e.Value {
	case "gcp":
		hint = "Install that, then run \u201cgcloud container clusters get-credentials CLUSTER\u201d, which writes the entry again."
	case "azure":
		hint = "Install that, then run \u201ckubelogin convert-kubeconfig\u201d, which writes the entry again."
	default:
		hint = "Install that, and name it as the entry's exec" + fileHint(e.Source) + "."
	}
	return sentence, hint
}

// pluginVersion explains how to get a supported apiVersion of exec.
func pluginVersion(e *fault.Kubeconfig, entry string) (sentence, hint string) {
	const group = "client.authentication.k8s.io/"
	if e.Value == "" {
		return fmt.Sprintf("The exec of %s has no apiVersion.", entry),
			fmt.Sprintf("Write apiVersion: %sv1%s, or v1beta1 if that is what the program prints.", group, fileHint(e.Source))
	}
	program := e.Command[strings.LastIndexAny(e.Command, `/\`)+1:]
	sentence = fmt.Sprintf("The %s logs in by %s with the apiVersion %s, which kubectl no longer has.", entry, name(program), name(e.Value))
	if e.Value != group+"v1alpha1" {
		sentence = strings.Replace(sentence, "no longer has", "does not have", 1)
	}
	writes := map[string]string{
		"aws": "aws eks update-kubeconfig --name CLUSTER", "aws-iam-authenticator": "aws eks update-kubeconfig --name CLUSTER",
		"gke-gcloud-auth-plugin": "gcloud container clusters get-credentials CLUSTER", "gcloud": "gcloud container clusters get-credentials CLUSTER",
		"kubelogin": "kubelogin convert-kubeconfig", "doctl": "doctl kubernetes cluster kubeconfig save CLUSTER",
	}[strings.TrimSuffix(program, ".exe")]
	if writes == "" {
		return sentence, fmt.Sprintf("Update %s, and write %sv1beta1 or v1%s, whichever it prints.", name(program), group, fileHint(e.Source))
	}
	return sentence, fmt.Sprintf("Update %s, then run \u201c%s\u201d, which writes the entry again.", name(program), writes)
}
