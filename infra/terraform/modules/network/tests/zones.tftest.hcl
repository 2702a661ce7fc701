# What the zones and the range become: subnets that do not overlap, and a way out for each.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name  = "carepath-demo"
  zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  cidr  = "10.20.0.0/19" # the smallest that is accepted
}

run "private_subnets_are_sixteenths_and_public_ones_hold_a_load_balancer" {
  command = plan

  assert {
    condition = output.subnet_cidrs == {
      us-east-1a = { private = "10.20.0.0/23", public = "10.20.30.0/27" }
      us-east-1b = { private = "10.20.2.0/23", public = "10.20.30.32/27" }
      us-east-1c = { private = "10.20.4.0/23", public = "10.20.30.64/27" }
    }
    error_message = "got ${jsonencode(output.subnet_cidrs)}"
  }
}

run "each_zone_has_a_nat_gateway_of_its_own" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && alltrue([for zone, nat in output.nat_zones : zone == nat])
    error_message = "gateways in ${join(", ", keys(aws_nat_gateway.this))}; used: ${jsonencode(output.nat_zones)}"
  }
}

run "single_nat_gateway_serves_every_zone" {
  command = plan
  variables { nat = "single" }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["us-east-1a"] && toset(values(output.nat_zones)) == toset(["us-east-1a"])
    error_message = "gateways in ${join(", ", keys(aws_nat_gateway.this))}; used: ${jsonencode(output.nat_zones)}"
  }
}

run "subnets_carry_the_tags_by_which_load_balancers_find_them" {
  command = plan

  assert {
    condition = alltrue([for subnet in aws_subnet.public : subnet.tags["kubernetes.io/role/elb"] == "1"]) && alltrue([
      for subnet in aws_subnet.private : subnet.tags["kubernetes.io/role/internal-elb"] == "1"
    ])
    error_message = "a subnet has no role tag"
  }

  assert {
    condition = alltrue([
      for subnet in concat(values(aws_subnet.public), values(aws_subnet.private)) :
      subnet.tags["kubernetes.io/cluster/carepath-demo"] == "shared"
    ])
    error_message = "a subnet does not name the cluster"
  }
}

run "image_layers_do_not_pass_a_nat_gateway" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "S3 is reached by ${aws_vpc_endpoint.s3.vpc_endpoint_type}"
  }
}
