// Command kube is every Kubernetes component of the embedded cluster, and kubectl, in one binary.
//
// The components share most of their code, so one binary builds in a third of the time and space of eight.
// The first argument names the component, the rest are that component's own flags.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/coredns/coredns/coremain"
	// CoreDNS registers plugins at import: only what the cluster's Corefile names.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	// Client and version metrics, as the components' own main packages register them.
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var components = map[string]func() int{
	"etcd":               func() int { etcdmain.Main(os.Args); return 0 },
	"coredns":            func() int { coremain.Run(); return 0 },
	"apiserver":          command(apiserver.NewAPIServerCommand),
	"controller-manager": command(controllers.NewControllerManagerCommand),
	"scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubelet":            command(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"proxy":              command(proxy.NewProxyCommand),
	"kubectl":            command(kubectl.NewDefaultKubectlCommand),
}

func command(create func() *cobra.Command) func() int {
	return func() int { return cli.Run(create()) }
}

func main() {
	if len(os.Args) < 2 || components[os.Args[1]] == nil {
		known := strings.Join(slices.Sorted(maps.Keys(components)), "|")
		fmt.Fprintf(os.Stderr, "usage: kube %s [flags]\n", known)
		os.Exit(2)
	}
	run := components[os.Args[1]]
	os.Args = os.Args[1:]
	os.Exit(run())
}
