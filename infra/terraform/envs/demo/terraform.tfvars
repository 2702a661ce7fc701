# 123456789012 and 203.0.113.0/24 are documentation's account and network; put yours in their place.
account_id = "123456789012"
region     = "us-east-1"
api_cidrs  = ["203.0.113.0/24"]

access = {
  deployer = { principal_arn = "arn:aws:iam::123456789012:role/carepath-deployer", policy = "AmazonEKSClusterAdminPolicy" }
  gate     = { principal_arn = "arn:aws:iam::123456789012:role/carepath-gate", groups = ["carepath-gate"] }
}

chat_api_image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/carepath-chat-api:v2.0"
llm_mode       = "Qwen3-4B-Thinking-2507"

# What the first rollout asked for (1 core, 9 GiB, 2 pods at least), on the nodes that the checklist starts from. Whether
# this fits is the question that the preflight answers.
resources = {
  cpu_request_millicores = 1000
  cpu_limit_millicores   = 2000
  memory_request_mib     = 9216
  memory_limit_mib       = 10240
}

autoscaling = {
  min_replicas = 2
  max_replicas = 5
}
