// The files of the dashboard: bundled for browsers when the executable is built, and embedded in it as text.
import type { PageFile } from "../api/browser.ts";
import { bundle } from "../api/bundle.ts" with { type: "macro" };
import style from "../api/page/page.css" with { type: "text" };
import icon from "../api/page/page.svg" with { type: "text" };

const script = bundle("src/ten/page/main.tsx");
const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>ten</title>
<link rel="icon" href="/page.svg">
<link rel="stylesheet" href="/page.css">
<script defer src="/page.js"></script>
<body><noscript>This page needs JavaScript. The same is to be had with: ten ps</noscript></body>
</html>
`;

export const dashboard: readonly PageFile[] = [
  { path: "/", type: "text/html; charset=utf-8", text: html },
  { path: "/page.js", type: "text/javascript; charset=utf-8", text: script },
  { path: "/page.css", type: "text/css; charset=utf-8", text: style },
  { path: "/page.svg", type: "image/svg+xml", text: icon },
];
