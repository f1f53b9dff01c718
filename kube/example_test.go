package kube_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"fairlead/build/clustertest"
	"fairlead/kube"
)

// A Cluster dials by the names that only the cluster knows, so that any client that takes a dial function can reach them.
func ExampleCluster_DialContext() {
	demo, err := clustertest.Launch(context.Background(), clustertest.Options{}) // here any cluster would do
	if err != nil {
		log.Fatal(err)
	}
	defer demo.Stop()

	cluster, err := kube.Open(kube.Config{Kubeconfig: demo.Kubeconfig, Context: "demo"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cluster.Run(ctx) }()

	client := &http.Client{Transport: &http.Transport{DialContext: cluster.DialContext, DisableKeepAlives: true}}
	response, err := client.Get("http://hello.default.svc.cluster.local/")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)

	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output: 200 OK
}

const kubeconfig = `
apiVersion: v1
kind: Config
contexts: [{name: demo, context: {cluster: demo, user: me, namespace: shop}}]
clusters: [{name: demo, cluster: {server: "https://kubernetes.example:6443"}}]
users: [{name: me, user: {token: secret}}]
`

// Lookup asks the API server nothing if the form of the host is enough to decide.
func ExampleCluster_Lookup() {
	folder, err := os.MkdirTemp("", "kube-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "config")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		log.Fatal(err)
	}

	cluster, err := kube.Open(kube.Config{Kubeconfig: path, Context: "demo"})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"web", "web.billing.svc", "web.billing.svc.cluster.local", "www.example.com", "93.184.215.14"} {
		host, err := cluster.Lookup(context.Background(), name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, host.InCluster)
	}
	// Output:
	// web true
	// web.billing.svc true
	// web.billing.svc.cluster.local true
	// www.example.com false
	// 93.184.215.14 false
}
