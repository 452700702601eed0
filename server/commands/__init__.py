"""The commands of `windsock`, by subject. Their modules import click alone; what a command needs it imports itself."""
