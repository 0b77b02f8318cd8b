"""What a Kubernetes cluster has for the chart, and what of the chart runs there."""
