"""Run the command line as `python -m haploscribe`."""

from haploscribe.cli.main import main

if __name__ == "__main__":
    main()
