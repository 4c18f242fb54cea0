"""Which node may write which session: `node` and `peers` tell which live, `lease` the owners."""
