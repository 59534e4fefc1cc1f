"""`python -m keeprate`."""

from keeprate.cli import main

if __name__ == "__main__":
    main()
