"""Which node may write which session: `node` tells which nodes live, `lease` the owners."""
