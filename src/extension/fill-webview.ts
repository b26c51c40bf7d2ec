import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { pageHtml } from './page-html.ts';

/**
 * Fills a webview with one of our pages: `NAME.js` and `NAME.css` of the folder `dist`, the only folder it can read. `view` is what another
 * page showed, as JSON; the new page begins with it.
 */
export function fillWebview(
  webview: vscode.Webview,
  dist: vscode.Uri,
  name: string,
  title: string,
  view: string | null = null,
): void {
  webview.options = { enableScripts: true, localResourceRoots: [dist] };
  const urlOf = (file: string) => webview.asWebviewUri(vscode.Uri.joinPath(dist, file)).toString();
  webview.html = pageHtml({
    title,
    view,
    script: urlOf(`${name}.js`),
    style: urlOf(`${name}.css`),
    source: webview.cspSource,
    nonce: randomBytes(16).toString('base64url'),
  });
}
