/** Where a page's files are, as a webview may load them, and what they are allowed by. */
export interface PageFiles {
  readonly title: string;
  readonly script: string;
  readonly style: string;
  /** The place that styles and fonts may come from: `webview.cspSource`. */
  readonly source: string;
  /** Allows the one script: a text that nobody can guess, another for every page. */
  readonly nonce: string;
}

/**
 * A page of the extension, empty: its script fills it. It may run that script and load styles and fonts from the
 * extension's own folder: nothing inline, nothing from a network. What it shows, a model may have written.
 */
export function pageHtml({ title, script, style, source, nonce }: PageFiles): string {
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
<body>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
