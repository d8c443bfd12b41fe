// The app that the demo releases: a page whose colour and text tell its version.

/** What a page is made of; all of it is plain letters, digits and `:.-_`. */
export interface ShopFacts {
  readonly version: string;
  readonly instance: string;
  readonly pid: number;
}

/** By the number in the version's name: v1 is blue, v2 green. */
const COLOURS = ["#1d4ed8", "#15803d", "#b45309", "#7e22ce", "#be123c", "#0f766e"] as const;

export function colourOf(version: string): string {
  const number = Number(/\d+/.exec(version)?.[0] ?? 1);
  return COLOURS[Math.max(0, number - 1) % COLOURS.length] ?? COLOURS[0];
}

/** The icon is none: a browser's second request a visit would make an even split look like no split at all. */
export function pageOf({ version, instance, pid }: ShopFacts): string {
  return `<!doctype html>
<html lang="en" data-version="${version}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2">
<link rel="icon" href="data:,">
<title>shop ${version}</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-content: center; text-align: center;
         background: ${colourOf(version)}; color: #fff; font: 1.1rem/1.5 system-ui, sans-serif }
  h1 { margin: 0; font-size: 30vmin; line-height: 1; letter-spacing: -.04em }
  p { margin: 1.5rem 0 0; opacity: .8 }
</style>
<h1>${version}</h1>
<p>served by ${instance}, process ${pid}</p>
</html>
`;
}

/** The version that a page shows; undefined when it is no page of the shop. */
export function versionOn(page: string): string | undefined {
  return /<html lang="en" data-version="([^"]+)">/.exec(page)?.[1];
}
