"""From image-caption pairs to training conversations: generate, filter, mix, audit."""
