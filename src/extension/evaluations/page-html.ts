/** Where a page's files are, as a webview may load them, and what they are allowed by. */
export interface PageFiles {
  readonly script: string;
  readonly style: string;
  /** The place that styles may come from: `webview.cspSource`. */
  readonly source: string;
  /** Allows the one script; another for every page. */
  readonly nonce: string;
}

/** The page of an evaluation, empty: its script fills it with text nodes, and may load and reach nothing. */
export function evaluationHtml({ script, style, source, nonce }: PageFiles): string {
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${source}; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>Unmask: Evaluation</title>
</head>
<body>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
