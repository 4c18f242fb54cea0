"""Which node may write which session: `node` says which nodes live, `lease` who has a session."""
