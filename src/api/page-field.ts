// What the page in the browser and its server agree on.

/** The page's own field: no other origin may add one without a preflight, which nobody here answers. */
export const PAGE_FIELD = "x-ten-page";

/** Where the page asks who it is (GET), logs in (POST) and out (DELETE). */
export const SESSION_PATH = "/session";
