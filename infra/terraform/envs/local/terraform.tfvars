# The embedded cluster on a machine with 2 cores: 1930m CPU allocatable, of which the patient API asks for 50m; CoreDNS and
# metrics-server run beside the node. Three pods and one more during a rolling update ask for 1600m.
chat_api_image    = "localhost:5000/carepath-chat-api:v2.0"
llm_mode          = "SmolLM2-135M-Instruct"
patient_api_image = "localhost:5000/carepath-patient-api:v1.0"

resources = {
  cpu_request_millicores = 400 # less, and a trickle of questions would hold the autoscaler at its maximum
  cpu_limit_millicores   = 1000 # one of the two cores: the cluster itself needs the other
  memory_request_mib     = 512
  memory_limit_mib       = 1024
}

autoscaling = {
  min_replicas = 2
  max_replicas = 3

  scale_down_stabilization_s = 60 # Kubernetes waits 300 s; here a drill waits for it
}
