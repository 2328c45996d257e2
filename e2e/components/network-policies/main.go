// Says which connections a set of NetworkPolicies allows, by the semantics that Kubernetes defines, whatever the cluster enforces.
// Reads {"policies": [...], "connections": [...]} from standard input and writes one boolean for each connection.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

type peer struct {
	IP string `json:"ip"`
	// Absent for an address that is no Pod's.
	Namespace       string            `json:"namespace"`
	Labels          map[string]string `json:"labels"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
}

type connection struct {
	From     peer            `json:"from"`
	To       peer            `json:"to"`
	Port     int             `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
}

type question struct {
	Policies    []*networkingv1.NetworkPolicy `json:"policies"`
	Connections []connection                  `json:"connections"`
}

func (p peer) traffic() *matcher.TrafficPeer {
	traffic := &matcher.TrafficPeer{IP: p.IP}
	if p.Namespace != "" {
		traffic.Internal = &matcher.InternalPeer{PodLabels: p.Labels, NamespaceLabels: p.NamespaceLabels, Namespace: p.Namespace}
	}
	return traffic
}

func main() {
	log.SetFlags(0)
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&asked); err != nil {
		log.Fatalf("the question is no JSON as expected: %v", err)
	}
	policy := matcher.BuildNetworkPolicies(false, asked.Policies)
	allowed := make([]bool, len(asked.Connections))
	for index, each := range asked.Connections {
		traffic := &matcher.Traffic{Source: each.From.traffic(), Destination: each.To.traffic(), ResolvedPort: each.Port, Protocol: each.Protocol}
		allowed[index] = policy.IsTrafficAllowed(traffic).IsAllowed()
	}
	if err := json.NewEncoder(os.Stdout).Encode(allowed); err != nil {
		log.Fatal(err)
	}
}
