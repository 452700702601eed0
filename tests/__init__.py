"""Tests: unit and integration mirror the source, contract replays recorded answers, acceptance runs commands."""
