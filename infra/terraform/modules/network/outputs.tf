output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets of the nodes and pods, in the order of `zones`."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]

  # A node that starts before its way out exists pulls nothing and does not join.
  depends_on = [aws_route_table_association.private]
}

output "public_subnet_ids" {
  description = "Subnets of load balancers, in the order of `zones`."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "subnet_cidrs" {
  description = "Zone -> the ranges of its private and public subnet."
  value       = { for zone in var.zones : zone => { private = local.private_cidrs[zone], public = local.public_cidrs[zone] } }
}

output "nat_zones" {
  description = "Zone -> the zone whose NAT gateway its nodes use."
  value       = local.nat_zones
}
