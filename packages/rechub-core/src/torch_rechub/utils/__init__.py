"""The names under which scripts import data helpers; each re-exports the room it lives in."""
