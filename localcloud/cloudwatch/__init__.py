"""CloudWatch: statistics and percentiles of live metrics, and alarms that are evaluated."""
