/** Where the page's files are, as a webview reaches them, and what it may load from. */
export interface PageSources {
  readonly script: string;
  readonly style: string;
  /** `webview.cspSource`. */
  readonly source: string;
  /** A text that nobody can guess, anew for each page. */
  readonly nonce: string;
}

/**
 * The page of the panel. It runs the one script that carries the nonce, and loads styles and the icons' font from the
 * extension's folder: nothing inline, nothing from a network. The id of the link is the one by which VS Code's web
 * components find the style sheet of the icons.
 */
export function panelHtml({ script, style, source, nonce }: PageSources): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${source} 'nonce-${nonce}'`,
    `font-src ${source}`,
    `img-src ${source} data:`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" nonce="${nonce}" id="vscode-codicon-stylesheet" href="${style}">
<title>Unmask</title>
</head>
<body>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
