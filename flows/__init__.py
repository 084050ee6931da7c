"""Order: each flow reads like the runbook. No boto3, no decisions of its own."""
