"""The whole stack on one machine, started and stopped: `make demo`, `make up`, `make down`."""
