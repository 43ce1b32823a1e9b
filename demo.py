"""Shows image prompting at work: `python demo.py`, or with a picture of yours: `python demo.py --help`."""

from embedded.environment import run_inside

if __name__ == "__main__":
    run_inside(__file__)
    from embedded.demo import main

    main()
