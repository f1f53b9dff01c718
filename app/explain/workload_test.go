package explain_test

import "fairlead/kube/fault"

// changeCauses are the causes for which what Fairlead deploys in a cluster is not made, not ready or not removed.
var changeCauses = []cause{
	{"missing rights", &fault.MissingRights{Of: []fault.Forbidden{{Verbs: []string{"create", "delete"}, Resource: "services", Namespace: "shop"}, {Verbs: []string{"get"}, Resource: "deployments.apps", Namespace: "shop"}}}, "Rights missing",
		"Your login may not create, delete Services, nor get Deployments in namespace shop. Ask the cluster's administrator for these rights, or to apply the manifest that “fairlead egress manifest” prints.", 2, 91, 403, "http_request_denied"},
	{"denied by admission", &fault.Denied{Verb: "create", Resource: "deployments.apps", Namespace: "shop", Name: "x", Text: "exceeded quota: few.\n"}, "Not allowed in the cluster",
		"The cluster did not let your login create Deployments in namespace shop: exceeded quota: few. Your login has the right to; a quota, a policy or a webhook of the cluster objects. Try another namespace, or ask the cluster's administrator.", 2, 91, 403, "http_request_denied"},
	workloadCause(fault.NoImage, "Image not pulled", "The cluster cannot pull the image i:1 of Deployment shop/x: its words. Check the image's name, and whether the nodes reach its registry. After “fairlead egress remove”, --image takes another one."),
	workloadCause(fault.NoPod, "Pod refused", "The cluster does not admit the Pod of Deployment shop/x: its words. A policy of the cluster refuses it. Try another namespace, or ask the cluster's administrator."),
	workloadCause(fault.QuotaExceeded, "Quota exceeded", "The quota of namespace shop has no room for the Pod of Deployment shop/x: its words. Make room there, ask the cluster's administrator for more, or take another namespace."),
	workloadCause(fault.NoNode, "No node for the Pod", "No node of the cluster takes the Pod of Deployment shop/x: its words. The nodes may be full, or kept for others. Ask the cluster's administrator."),
	workloadCause(fault.NotStarting, "Container not started", "The container of Deployment shop/x does not start: its words. Its image i:1 needs the program tinyproxy or, with --kind fairlead, has to be Fairlead's, and has to run as an ordinary user."),
	workloadCause(fault.ForeignObject, "Not Fairlead's", "There is a Deployment shop/x already, which Fairlead has not made, so it is left as it is. Take another namespace, or remove it if nobody needs it."),
	workloadCause(fault.MadeElsewhere, "Made elsewhere", "Deployment shop/x was made by another Fairlead or from a manifest, so it is left as it is. If nobody needs it, “kubectl delete deployment,service,secret x -n shop” removes it."),
	workloadCause(fault.StillThere, "Still being removed", "The cluster is still removing Deployment shop/x. Its Pod may be on a node that does not answer. Try again in a while. Look at it: “kubectl describe deployment x -n shop”."),
	workloadCause(fault.OtherImage, "Another image", "Deployment shop/x is there already, with the image its words. instead of i:1. “fairlead egress remove” removes it first."),
	workloadCause(fault.OtherKind, "Another proxy", "Deployment shop/x is there already, as its words. instead of fairlead. “fairlead egress remove” removes it first, if this Fairlead has made it."),
	workloadCause(fault.NoCertificate, "Certificate missing", "Deployment shop/x is there, and the certificate with which Fairlead uses it is not on this machine any more. “fairlead egress remove” removes it first."),
	workloadCause(fault.Vanished, "Removed", "Deployment shop/x was removed while Fairlead waited for it. Deploy it again."),
	workloadCause(fault.NotReadyYet, "Not ready", "Deployment shop/x is not ready in time: its words. Look at it: “kubectl describe deployment x -n shop”."),
}

// workloadCause returns the cause of a Deployment that is not ready.
func workloadCause(problem fault.WorkloadProblem, title, text string) cause {
	err := &fault.Workload{Problem: problem, Kind: "Deployment", Namespace: "shop", Name: "x", Image: "i:1", Text: "its words.", Wanted: "fairlead"}
	return cause{string(problem), err, title, text, 4, 91, 503, "destination_unavailable"}
}
