"""The shell that runs in time: it reads, asks, waits and records. It holds no key."""
