"""The simulated plant and its readings: pure functions of scenario, seed and time."""
