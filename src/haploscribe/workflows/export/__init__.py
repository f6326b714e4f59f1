"""Write weights for transcriptome-wide association tools: the subcommand export."""
