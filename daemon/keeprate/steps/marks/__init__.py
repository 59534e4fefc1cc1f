"""Marks: reading what the user says in viewers, writing what the heads say, taking it back."""
