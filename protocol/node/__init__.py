"""The shell that every program stands on: journal, desk, link, pump, people, pages."""
