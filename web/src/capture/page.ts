// Which page this is, as far as it may be told.

import { clean } from "../text";
import type { Page } from "../wire";
import { tellableAddress } from "./address";
import { browserOf } from "./browser";
import { documentTitle } from "./dom";
import type { Privacy } from "./privacy";

const VERSION = "0.1.0";
/** This page, as far as the group's rules let it be told. */
export function currentPage(privacy: Privacy): Page {
  const hidesTitle = privacy.hidesPage(location.href) || privacy.hidesTitle();
  return {
    url: clean(tellableAddress(location.href, privacy.rules), 8192),
    title: hidesTitle ? "" : clean(documentTitle(document), 1024),
    browser: browserOf(navigator.userAgent),
    visitorversion: VERSION,
  };
}
