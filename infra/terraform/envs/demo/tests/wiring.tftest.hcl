# How the parts of the environment are joined, and that nothing is applied to a cluster made elsewhere.
# terraform init -backend=false && terraform test

mock_provider "kubectl" {}

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  override_resource {
    target          = module.eks.aws_eks_cluster.this
    override_during = plan
    values          = { endpoint = "https://EXAMPLE.gr7.us-east-1.eks.amazonaws.com" }
  }
}

variables {
  kubeconfig_path = "/proc/self/cwd/tests/kubeconfig.yaml"
}

run "kubeconfig_of_this_cluster_is_accepted" {
  command = plan

  assert {
    condition     = terraform_data.kubeconfig.input == "https://EXAMPLE.gr7.us-east-1.eks.amazonaws.com"
    error_message = "read ${terraform_data.kubeconfig.input}"
  }
}

run "kubeconfig_of_another_cluster_is_refused" {
  command = plan
  variables { kubeconfig_path = "/proc/self/cwd/tests/kubeconfig-elsewhere.yaml" }
  expect_failures = [terraform_data.kubeconfig]
}

run "nodes_and_pods_are_in_two_zones" {
  command = plan

  assert {
    condition     = keys(module.network.subnet_cidrs) == ["us-east-1a", "us-east-1b"]
    error_message = "zones are ${join(", ", keys(module.network.subnet_cidrs))}"
  }
}

run "gate_reads_no_secret_and_writes_nothing_but_port_forwards" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for name, object in local.gate_access : [
        for rule in try(object.rules, []) : !contains(rule.resources, "secrets") && (
          length(setsubtract(rule.verbs, ["get", "list", "watch"])) == 0 || rule.resources == ["pods/portforward"]
        )
      ]
    ]))
    error_message = "the gate may read Secrets, or write"
  }

  assert {
    condition     = length(local.gate_access) == 4 && sum([for object in local.gate_access : length(try(object.rules, []))]) > 4
    error_message = "there are other objects than two roles with their bindings: ${join(", ", keys(local.gate_access))}"
  }
}

run "gate_roles_are_bound_to_the_group_of_the_access_entry" {
  command = plan

  assert {
    condition = alltrue([
      for name, object in local.gate_access :
      try([for subject in object.subjects : "${subject.kind}/${subject.name}"] == ["Group/carepath-gate"], !endswith(object.kind, "Binding"))
    ])
    error_message = "another subject is bound"
  }
}
