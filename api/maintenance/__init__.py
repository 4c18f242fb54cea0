"""What time does to sessions: `expiry` ends them, `retention` deletes them."""
