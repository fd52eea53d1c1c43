"""Starts the page, which lies in app/; a wheel carries it as rhymes/page/app/."""
