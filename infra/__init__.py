"""What the service is deployed to: the embedded Kubernetes, images, Terraform and the stand-in patient API."""
