// What Kubernetes' own rules say about traffic under NetworkPolicies, whatever a network plugin makes of them: a
// question as JSON on standard input, the answer as JSON on standard output. The rules are cyclonus', with which
// network plugins are tested for conformance.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// question is what is asked: which traffic goes through under these policies.
type question struct {
	Policies []*networkingv1.NetworkPolicy `json:"policies"`
	Traffic  []traffic                     `json:"traffic"`
}

type traffic struct {
	From     peer            `json:"from"`
	To       peer            `json:"to"`
	Port     int             `json:"port"`
	PortName string          `json:"portName"`
	Protocol corev1.Protocol `json:"protocol"`
}

// peer is a Pod of the cluster, or with an address alone something outside of it.
type peer struct {
	IP  string `json:"ip"`
	Pod *pod   `json:"pod"`
}

type pod struct {
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	Labels          map[string]string `json:"labels"`
}

// verdict tells each side apart: traffic goes through when both let it. Both name the policies that select their Pod.
type verdict struct {
	Egress  side `json:"egress"`
	Ingress side `json:"ingress"`
}

type side struct {
	Allowed  bool     `json:"allowed"`
	Policies []string `json:"policies"`
}

func (p peer) matched() *matcher.TrafficPeer {
	if p.Pod == nil {
		return &matcher.TrafficPeer{IP: p.IP}
	}
	return &matcher.TrafficPeer{IP: p.IP, Internal: &matcher.InternalPeer{
		PodLabels: p.Pod.Labels, NamespaceLabels: p.Pod.NamespaceLabels, Namespace: p.Pod.Namespace,
	}}
}

func told(result *matcher.DirectionResult) side {
	names := []string{}
	for _, targets := range [][]*matcher.Target{result.AllowingTargets, result.DenyingTargets} {
		for _, target := range targets {
			for _, policy := range target.SourceRules {
				names = append(names, policy.Namespace+"/"+policy.Name)
			}
		}
	}
	sort.Strings(names)
	return side{Allowed: result.IsAllowed(), Policies: names}
}

// answer turns cyclonus' panics on policies that no API server accepts into errors.
func answer(asked question) (verdicts []verdict, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	rules := matcher.BuildNetworkPolicies(false, asked.Policies)
	verdicts = []verdict{}
	for _, one := range asked.Traffic {
		result := rules.IsTrafficAllowed(&matcher.Traffic{
			Source: one.From.matched(), Destination: one.To.matched(),
			ResolvedPort: one.Port, ResolvedPortName: one.PortName, Protocol: one.Protocol,
		})
		verdicts = append(verdicts, verdict{Egress: told(result.Egress), Ingress: told(result.Ingress)})
	}
	return verdicts, nil
}

func run(input io.Reader, output io.Writer) error {
	var asked question
	if err := json.NewDecoder(input).Decode(&asked); err != nil {
		return err
	}
	verdicts, err := answer(asked)
	if err != nil {
		return err
	}
	return json.NewEncoder(output).Encode(verdicts)
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "network-policies:", err)
		os.Exit(1)
	}
}
