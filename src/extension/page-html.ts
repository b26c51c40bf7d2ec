/** URLs of a page's files in a webview, and what its Content-Security-Policy allows. */
export interface PageFiles {
  readonly title: string;
  /** What the page shows first, as JSON; null: its own saved state. */
  readonly view?: string | null;
  readonly script: string;
  readonly style: string;
  /** The source that styles and fonts may be loaded from: `webview.cspSource`. */
  readonly source: string;
  /** Allows the one script: a random text, different for every page. */
  readonly nonce: string;
}

/**
 * An empty page of the extension, which its script fills. It may run that script and load styles and fonts from the
 * extension's own folder; nothing inline and nothing from a network, because it may show text that a model generated.
 */
export function pageHtml({ title, view = null, script, style, source, nonce }: PageFiles): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${source}`,
    `font-src ${source}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>${title}</title>
</head>
<body${view === null ? '' : ` data-view="${escapeAttribute(view)}"`}>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}

const escapeAttribute = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
