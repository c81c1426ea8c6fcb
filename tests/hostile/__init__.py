"""A planner that belongs to the attacker, let loose on the real wallet and the real chain."""
