package explain

import (
	"cmp"
	"fmt"
	"strings"

	"fairlead/kube/fault"
)

// said returns the words of a cluster after a colon, or nothing if there are none.
func said(text string) string {
	if text = fragment(text); text == "" {
		return ""
	}
	return ": " + text
}

func deniedChange(e *fault.Denied) words {
	return words{
		title:    "Not allowed in the cluster",
		sentence: fmt.Sprintf("The cluster did not let your login %s %s in namespace %s%s.", name(e.Verb), kinds(e.Resource), name(e.Namespace), said(e.Text)),
		hint:     "Your login has the right to; a quota, a policy or a webhook of the cluster objects. Try another namespace, or ask the cluster's administrator.",
	}
}

func missingRights(e *fault.MissingRights) words {
	var texts []string
	namespace := ""
	for _, f := range e.Of {
		texts = append(texts, fmt.Sprintf("%s %s", strings.Join(f.Verbs, ", "), kinds(f.Resource)))
		namespace = f.Namespace
	}
	return words{
		title:    "Rights missing",
		sentence: fmt.Sprintf("Your login may not %s in namespace %s.", strings.Join(texts, ", nor "), name(namespace)),
		hint:     "Ask the cluster's administrator for these rights, or to apply the manifest that “fairlead egress manifest” prints.",
	}
}

// workload explains why a Deployment is not ready, or an object cannot be made or removed.
func workload(e *fault.Workload) words {
	what := fmt.Sprintf("%s %s/%s", name(e.Kind), name(e.Namespace), name(e.Name))
	look := fmt.Sprintf("Look at it: “kubectl describe %s %s -n %s”.", strings.ToLower(name(e.Kind)), name(e.Name), name(e.Namespace))
	switch e.Problem {
	case fault.NoImage:
		return words{"Image not pulled", fmt.Sprintf("The cluster cannot pull the image %s of %s%s.", plainText(e.Image), what, said(e.Text)),
			"Check the image's name, and whether the nodes reach its registry. After “fairlead egress remove”, --image takes another one."}
	case fault.NoPod:
		return words{"Pod refused", fmt.Sprintf("The cluster does not admit the Pod of %s%s.", what, said(e.Text)),
			"A policy of the cluster refuses it. Try another namespace, or ask the cluster's administrator."}
	case fault.QuotaExceeded:
		return words{"Quota exceeded", fmt.Sprintf("The quota of namespace %s has no room for the Pod of %s%s.", name(e.Namespace), what, said(e.Text)),
			"Make room there, ask the cluster's administrator for more, or take another namespace."}
	case fault.NoNode:
		return words{"No node for the Pod", fmt.Sprintf("No node of the cluster takes the Pod of %s%s.", what, said(e.Text)),
			"The nodes may be full, or kept for others. Ask the cluster's administrator."}
	case fault.NotStarting:
		return words{"Container not started", fmt.Sprintf("The container of %s does not start%s.", what, said(e.Text)),
			fmt.Sprintf("Its image %s needs the program tinyproxy or, with --kind fairlead, has to be Fairlead's, and has to run as an ordinary user.", plainText(e.Image))}
	case fault.ForeignObject:
		return words{"Not Fairlead's", fmt.Sprintf("There is a %s already, which Fairlead has not made, so it is left as it is.", what),
			"Take another namespace, or remove it if nobody needs it."}
	case fault.MadeElsewhere:
		return words{"Made elsewhere", fmt.Sprintf("%s was made by another Fairlead or from a manifest, so it is left as it is.", what),
			fmt.Sprintf("If nobody needs it, “kubectl delete deployment,service,secret %s -n %s” removes it.", name(e.Name), name(e.Namespace))}
	case fault.StillThere:
		return words{"Still being removed", fmt.Sprintf("The cluster is still removing %s.", what),
			"Its Pod may be on a node that does not answer. Try again in a while. " + look}
	case fault.OtherImage:
		return words{"Another image", fmt.Sprintf("%s is there already, with the image %s instead of %s.", what, plainText(e.Text), plainText(e.Image)),
			"“fairlead egress remove” removes it first."}
	case fault.OtherKind:
		return words{"Another proxy", fmt.Sprintf("%s is there already, as %s instead of %s.", what, cmp.Or(plainText(e.Text), "an unknown kind"), plainText(e.Wanted)),
			"“fairlead egress remove” removes it first, if this Fairlead has made it."}
	case fault.NoCertificate:
		return words{"Certificate missing", fmt.Sprintf("%s is there, and the certificate with which Fairlead uses it is not on this machine any more.", what),
			"“fairlead egress remove” removes it first."}
	case fault.Vanished:
		return words{"Removed", fmt.Sprintf("%s was removed while Fairlead waited for it.", what), "Deploy it again."}
	}
	return words{"Not ready", fmt.Sprintf("%s is not ready in time%s.", what, said(e.Text)), look}
}

// plainText makes a text of a cluster safe for a sentence.
func plainText(text string) string { return Plain(text, textLength) }
