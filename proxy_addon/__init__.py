"""What happens to a page on its way past: policy, splicing, headers.

Only addon.py imports mitmproxy.
"""

__version__ = "0.1.0"
