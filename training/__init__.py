"""From conversations to a checkpoint: loading, collating, presets, trainer, launch."""
