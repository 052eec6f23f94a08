"""Whether a site would work: each page with the proxy and without, side by side, in a real browser.

stage       proxy and relay of the check's own, from the user's config file
recording   in the proxy: what came of each page, and what went on
looking     in the browser: what one load of a page looks like, and, with watching, complains of
mirroring   in the browser: a session, and how its copy compares
judging     what of all that is a finding (pure), with judging_frames, judging_session,
            documents, fields, identity and crawling
redacting   what no report may hold
report      the table, JSON and the HTML page
"""
