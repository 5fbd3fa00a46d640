"""The webhook's own CA and certificate (`webhook.tls: managed`): in a Secret, renewed without a refused request."""
