"""What should be done: pure functions over frozen data. No clock, no network, no Prefect."""
