"""AWS for people without AWS: one process, real containers, real databases. See README.md here."""

REGION = "eu-central-1"
ACCOUNT_ID = "123456789012"
ACCESS_KEY = "localcloud"  # as secret key too: signatures are not verified
AWS_PORT = 4566
REGISTRY_PORT = 4510
