// The files of a dashboard, all but the script the same for every program.
import type { PageFile } from "./browser.ts";
import style from "./page/page.css" with { type: "text" };
import icon from "./page/page.svg" with { type: "text" };

/** `instead` is the command for who has no JavaScript. */
export function pageFiles(name: string, script: string, instead: string): readonly PageFile[] {
  // A classic script: for a module a browser sends Origin, as a page that asks the API does.
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${name}</title>
<link rel="icon" href="/page.svg">
<link rel="stylesheet" href="/page.css">
<script defer src="/page.js"></script>
<body><noscript><p class="wait">This page needs JavaScript. The same is to be had with: ${instead}</p></noscript></body>
</html>
`;
  return [
    { path: "/", type: "text/html; charset=utf-8", text: html },
    { path: "/page.js", type: "text/javascript; charset=utf-8", text: script },
    { path: "/page.css", type: "text/css; charset=utf-8", text: style },
    { path: "/page.svg", type: "image/svg+xml", text: icon },
  ];
}
