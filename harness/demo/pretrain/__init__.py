"""Makes the demo's shipped checkpoints anew: `python -m harness.demo.pretrain FOLDER`."""
