"""Reading the bucket: manifests one by one and in pages, audio finished and growing."""
