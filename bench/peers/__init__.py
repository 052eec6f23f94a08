"""What others do to put a script into a page, as mitmproxy addons."""
