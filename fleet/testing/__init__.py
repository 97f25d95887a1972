"""For test suites: a scenario run inside a test, its records at hand, and the plugin for pytest that does it."""
